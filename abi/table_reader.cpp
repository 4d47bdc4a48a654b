#include "abi/table_reader.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <sstream>

#include "abi/call_reader.hpp"
#include "abi/role_text.hpp"
#include "abi/spelling.hpp"
#include "abi/yaml_view.hpp"

namespace sudrun::abi {

namespace {

constexpr int kMaxErrno = 4095;
constexpr int kMaxSignal = 128;
constexpr int kMaxStruct = 0xfff0;

NativeName native_name(const YamlMap& row) {
  const YamlValue* const native = row.find("native");
  if (native == nullptr) return {};
  const std::string name = native->text();
  if (name == "none") return {NativeName::Kind::none, {}};
  if (name == "refuse") return {NativeName::Kind::refuse, {}};
  return {NativeName::Kind::other, name};
}

/// For rows where `refuse` has no meaning.
NativeName native_name_or_none(const YamlMap& row) {
  NativeName name = native_name(row);
  if (name.kind == NativeName::Kind::refuse)
    row.require("native").fail("`refuse` is for values of flag sets; expected a native name or `none`");
  return name;
}

void check_note(const YamlMap& map) {
  if (const YamlValue* const note = map.find("note")) note->text();
}

std::string line_of(Where where) { return "line " + std::to_string(where.line); }

class Reader {
 public:
  Reader(YamlValue root, TableModel& model) : root_(std::move(root)), model_(model) {}
  void read();

 private:
  void source(const YamlMap& map);
  void identify(const YamlMap& map);
  void releases(const YamlMap& map);
  void convention(const YamlMap& map);
  void errnos(const YamlMap& map);
  void errno_aliases(const YamlMap& map);
  void signals(const YamlMap& map);
  void flag_set(const YamlMap::Item& item);
  void flag_value(const YamlMap::Item& item, FlagSetModel& set);
  void structure(const YamlMap::Item& item);
  void field(const YamlMap::Item& item, StructModel& structure);
  void field_role(const YamlValue& value, FieldModel& field);
  void variant(const YamlMap::Item& item);
  unsigned field_size(const FieldModel& field) const;
  void calls(const YamlMap& map);
  void classes(const YamlMap& map);

  YamlValue root_;
  TableModel& model_;
};

void Reader::read() {
  const YamlMap top = root_.map();
  top.allow_only({"abi", "title", "personality", "source", "identify", "sysroot", "releases", "convention",
                  "errno", "errno_from_native", "signals", "flags", "structs", "variants", "classes",
                  "calls"});
  const YamlValue& abi = top.require("abi");
  model_.abi = abi.text();
  if (model_.abi.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") != std::string::npos)
    abi.fail("`" + model_.abi + "` is not an ABI's name; expected lower-case letters, digits, `-`, `_`, `.`");
  model_.title = top.require("title").text();
  const YamlValue& personality = top.require("personality");
  model_.personality = personality.identifier();
  model_.personality_where = personality.where();
  source(top.require("source").map());
  identify(top.require("identify").map());
  if (const YamlValue* const hint = top.find("sysroot")) model_.sysroot_hint = hint->text();
  if (const YamlValue* const rows = top.find("releases")) releases(rows->map());
  convention(top.require("convention").map());
  errnos(top.require("errno").map());
  if (const YamlValue* const aliases = top.find("errno_from_native")) errno_aliases(aliases->map());
  signals(top.require("signals").map());
  if (const YamlValue* const sets = top.find("flags")) {
    for (const YamlMap::Item& item : sets->map().items()) flag_set(item);
  }
  if (const YamlValue* const structs = top.find("structs")) {
    for (const YamlMap::Item& item : structs->map().items()) structure(item);
  }
  if (const YamlValue* const variants = top.find("variants")) {
    for (const YamlMap::Item& item : variants->map().items()) variant(item);
  }
  calls(top.require("calls").map());
  if (const YamlValue* const classes_of_calls = top.find("classes")) classes(classes_of_calls->map());
}

void Reader::source(const YamlMap& map) {
  for (const YamlMap::Item& item : map.items()) {
    std::string text;
    if (item.value.is_list()) {
      for (const YamlValue& value : item.value.list()) text += (text.empty() ? "" : ", ") + value.text();
    } else {
      text = item.value.text();
    }
    model_.source[item.key.name()] = text;
  }
}

void Reader::identify(const YamlMap& map) {
  map.allow_only({"osabi", "notes", "interpreters", "entry_code"});
  if (const YamlValue* const osabi = map.find("osabi"))
    model_.osabi = static_cast<int>(osabi->integer(0, 255));
  if (const YamlValue* const notes = map.find("notes")) {
    for (const YamlValue& value : notes->list()) {
      const YamlMap note = value.map();
      note.allow_only({"name", "type"});
      model_.notes.push_back({note.require("name").text(),
                              static_cast<std::uint32_t>(note.require("type").integer(0, 0xffff'ffff))});
    }
  }
  if (const YamlValue* const interpreters = map.find("interpreters")) {
    for (const YamlValue& value : interpreters->list()) {
      if (!value.text().starts_with('/'))
        value.fail("`" + value.text() + "` is not an interpreter's path; expected an absolute path");
      model_.interpreters.push_back(value.text());
    }
  }
  if (const YamlValue* const code = map.find("entry_code")) {
    const std::string text = code->text();
    const bool is_hex = text.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!is_hex || text.size() % 2 != 0 || text.size() < 8 || text.size() > 32)
      code->fail("`" + text + "` is not code; expected 4 to 16 bytes, each as two of the digits 0-9 and a-f");
    model_.entry_code = text;
  }
}

void Reader::releases(const YamlMap& map) {
  for (const YamlMap::Item& item : map.items()) {
    if (item.key.name().find('-') != std::string::npos)
      item.key.fail("`" + item.key.name() + "` is not a release; expected its number alone, as in `14.1`");
    model_.releases.push_back(
        {item.key.name(), static_cast<std::uint32_t>(item.value.integer(0, 0xffff'ffff))});
  }
}

std::uint8_t register_index(const YamlValue& value) {
  // In the order of Registers, which Convention's indices follow.
  return static_cast<std::uint8_t>(value.choice({"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi",
                                                 "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp"}));
}

void Reader::convention(const YamlMap& map) {
  map.allow_only({"number", "args", "stack_args", "result", "result2", "clears_result2", "error", "indirect",
                  "thread_pointer", "at_fdcwd"});
  Convention& convention = model_.convention;
  convention.number = register_index(map.require("number"));
  convention.result = register_index(map.require("result"));
  const YamlValue* const result2 = map.find("result2");
  convention.result2 = result2 == nullptr ? std::uint8_t{0xff} : register_index(*result2);
  if (const YamlValue* const clears = map.find("clears_result2")) {
    convention.clears_result2 = clears->boolean();
    if (result2 == nullptr) clears->fail("`clears_result2` without `result2`; expected both");
  }

  const YamlValue& args = map.require("args");
  const auto registers = args.list();
  if (registers.empty() || registers.size() > convention.args.size())
    args.fail("`args` has " + std::to_string(registers.size()) + " registers; expected 1 to 6");
  for (const YamlValue& value : registers) {
    const std::uint8_t index = register_index(value);
    const auto* const end = convention.args.begin() + convention.argc;
    if (std::find(convention.args.cbegin(), end, index) != end)
      value.fail("`" + value.text() + "` is there twice in `args`; expected different registers");
    convention.args[convention.argc++] = index;
  }
  if (const YamlValue* const stack = map.find("stack_args")) {
    convention.stack_args = static_cast<std::uint8_t>(stack->integer(8, 128));
    if (convention.stack_args % 8 != 0) stack->fail("`stack_args` is not aligned; expected a multiple of 8");
  }
  convention.carry_error = map.require("error").choice({"negative", "carry"}) == 1;

  convention.indirect.fill(-1);
  if (const YamlValue* const indirect = map.find("indirect")) {
    const auto numbers = indirect->list();
    if (numbers.size() > convention.indirect.size())
      indirect->fail("`indirect` has " + std::to_string(numbers.size()) + " numbers; expected at most 4");
    for (std::size_t i = 0; i < numbers.size(); ++i)
      convention.indirect[i] = static_cast<std::int16_t>(numbers[i].integer(0, 0x7fff));
  }
  if (const YamlValue* const pointer = map.find("thread_pointer")) pointer->choice({"fs"});
  const YamlValue* const directory = map.find("at_fdcwd");
  convention.at_fdcwd = directory == nullptr ? kAtFdcwd
                                             : static_cast<std::int32_t>(directory->integer(
                                                   std::numeric_limits<std::int32_t>::min(), 0xffff'ffff));
}

void Reader::errnos(const YamlMap& map) {
  for (const YamlMap::Item& item : map.items()) {
    ErrnoModel row{item.key.identifier(), 0, {}, item.key.where()};
    if (item.value.is_map()) {
      const YamlMap fields = item.value.map();
      fields.allow_only({"value", "native", "note"});
      check_note(fields);
      row.value = static_cast<int>(fields.require("value").integer(1, kMaxErrno));
      row.native = native_name_or_none(fields);
    } else {
      row.value = static_cast<int>(item.value.integer(1, kMaxErrno));
    }
    for (const ErrnoModel& other : model_.errnos) {
      if (other.value == row.value) {
        item.key.fail("`" + row.name + "` has the number of `" + other.name + "` (" + line_of(other.where) +
                      "); expected one name per error number");
      }
    }
    model_.errnos.push_back(std::move(row));
  }
}

void Reader::errno_aliases(const YamlMap& map) {
  for (const YamlMap::Item& item : map.items()) {
    const std::string guest = item.value.identifier();
    if (std::none_of(model_.errnos.begin(), model_.errnos.end(),
                     [&](const auto& e) { return e.name == guest; }))
      item.value.fail("`" + guest + "` is not in `errno`; expected an error of this table");
    model_.errno_from_native.push_back({item.key.identifier(), guest, item.key.where()});
  }
}

void Reader::signals(const YamlMap& map) {
  for (const YamlMap::Item& item : map.items()) {
    const std::string& name = item.key.name();
    const std::size_t plus = name.find('+');
    if (!is_identifier(name.substr(0, plus)) ||
        (plus != std::string::npos && !parse_integer(name.substr(plus + 1))))
      item.key.fail("`" + name + "` is not a signal's name; expected a name, or a name and `+NUMBER`");
    SignalModel row{name, 0, {}, SignalDefault::as_native, item.key.where()};
    if (item.value.is_map()) {
      const YamlMap fields = item.value.map();
      fields.allow_only({"value", "native", "default", "note"});
      check_note(fields);
      row.value = static_cast<int>(fields.require("value").integer(1, kMaxSignal));
      row.native = native_name_or_none(fields);
      if (const YamlValue* const action = fields.find("default")) {
        row.by_default = static_cast<SignalDefault>(
            1 + action->choice({"terminate", "core", "ignore", "stop", "continue"}));
      }
    } else {
      row.value = static_cast<int>(item.value.integer(1, kMaxSignal));
    }
    for (const SignalModel& other : model_.signals) {
      if (other.value == row.value) {
        item.key.fail("`" + row.name + "` has the number of `" + other.name + "` (" + line_of(other.where) +
                      "); expected one name per signal number");
      }
    }
    model_.signals.push_back(std::move(row));
  }
}

void Reader::flag_value(const YamlMap::Item& item, FlagSetModel& set) {
  FlagValueModel row{item.key.identifier(), 0, std::nullopt, {}, item.key.where()};
  if (item.value.is_map()) {
    const YamlMap fields = item.value.map();
    fields.allow_only({"value", "field", "native", "note"});
    check_note(fields);
    row.value = fields.require("value").word();
    row.native = native_name(fields);
    if (const YamlValue* const mask = fields.find("field")) {
      if (set.is_enum) mask->fail("`field` in an enumeration; expected it in sets of `kind: bits` only");
      row.field = mask->word();
      if ((row.value & ~*row.field) != 0)
        mask->fail("the value of `" + row.name + "` lies outside its `field`");
    }
  } else {
    row.value = item.value.word();
  }

  for (const FlagValueModel& other : set.values) {
    if (set.is_enum || row.mask() == other.mask()) continue;  // aliases, or values of one field
    const std::uint64_t common = row.mask() & other.mask();
    // A larger value may contain a smaller one; a field shares its bits with nothing.
    const bool contained = !row.field && !other.field && (common == row.mask() || common == other.mask());
    if (common != 0 && !contained) {
      item.key.fail("`" + row.name + "` overlaps `" + other.name + "` (" + line_of(other.where) +
                    "); expected separate bits, or one `field` around both");
    }
  }
  set.values.push_back(std::move(row));
}

void Reader::flag_set(const YamlMap::Item& item) {
  const YamlMap map = item.value.map();
  map.allow_only({"kind", "unknown", "trace_only", "values", "note"});
  check_note(map);
  FlagSetModel set;
  set.name = item.key.identifier();
  set.where = item.key.where();
  if (parse_role(set.name).role.kind != RoleKind::flags)
    item.key.fail("`" + set.name + "` is the name of a role; expected another name for the set");
  set.is_enum = map.require("kind").choice({"bits", "enum"}) == 1;
  if (const YamlValue* const trace_only = map.find("trace_only")) set.trace_only = trace_only->boolean();
  if (const YamlValue* const unknown = map.find("unknown")) {
    set.unknown = static_cast<FlagSet::Unknown>(unknown->choice({"refuse", "ignore", "keep"}));
    if (set.is_enum && set.unknown == FlagSet::Unknown::ignore)
      unknown->fail("an enumeration cannot ignore unknown values; expected `refuse` or `keep`");
  }
  for (const YamlMap::Item& value : map.require("values").map().items()) flag_value(value, set);
  model_.flags.push_back(std::move(set));
}

unsigned Reader::field_size(const FieldModel& field) const {
  if (field.struct_type.empty()) return scalar_size(field.type) * field.count;
  const auto found = std::find_if(model_.structs.begin(), model_.structs.end(),
                                  [&](const StructModel& s) { return s.name == field.struct_type; });
  return found == model_.structs.end() ? 0 : found->size;
}

/// `TYPE@OFFSET`, `char[N]@OFFSET`.
void field_type(const YamlValue& value, FieldModel& field, const std::vector<StructModel>& structs) {
  const std::string text = value.text();
  const std::string expected = "; expected TYPE@OFFSET, as in `u32@8` or `char[16]@0`";
  const std::size_t at = text.find('@');
  const auto offset = at == std::string::npos ? std::nullopt : parse_integer(text.substr(at + 1));
  if (!offset || offset->negative || offset->magnitude > kMaxStruct)
    value.fail("`" + text + "` is not the type and offset of a field" + expected);
  field.offset = static_cast<unsigned>(offset->magnitude);

  std::string type = text.substr(0, at);
  if (const std::size_t open = type.find('['); open != std::string::npos) {
    const bool closed = type.ends_with(']');
    const auto count = parse_integer(type.substr(open + 1, type.size() - open - (closed ? 2 : 1)));
    type.resize(open);
    if (!closed || !count || count->negative || count->magnitude == 0 || count->magnitude > kMaxStruct)
      value.fail("`" + text + "` has no array length" + expected);
    if (type != "char" && type != "pad")
      value.fail("`" + type + "` has no arrays; expected char[N] or pad[N]");
    field.count = static_cast<unsigned>(count->magnitude);
  } else if (type == "char" || type == "pad") {
    value.fail("`" + type + "` lacks its length; expected `" + type + "[N]@OFFSET`");
  }
  if (const auto scalar = scalar_type_of(type)) {
    field.type = *scalar;
    return;
  }
  field.struct_type = type;
  if (std::none_of(structs.begin(), structs.end(), [&](const StructModel& s) { return s.name == type; }))
    value.fail("`" + type +
               "` is not a type; expected i8…u64, char[N], pad[N] or a structure written before this one");
}

void Reader::field(const YamlMap::Item& item, StructModel& structure) {
  FieldModel row;
  row.name = item.key.identifier();
  row.where = item.key.where();
  if (item.value.is_map()) {
    const YamlMap fields = item.value.map();
    fields.allow_only({"at", "flags", "role", "native", "note"});
    check_note(fields);
    field_type(fields.require("at"), row, model_.structs);
    row.native = native_name_or_none(fields);
    if (const YamlValue* const flags = fields.find("flags")) {
      row.flags = flags->identifier();
      if (std::none_of(model_.flags.begin(), model_.flags.end(),
                       [&](const auto& s) { return s.name == row.flags; }))
        flags->fail("`" + row.flags + "` is not in `flags`; expected a flag set of this table");
      if (!row.struct_type.empty() || row.count != 1)
        flags->fail("`" + row.name + "` is not an integer; expected `flags` on integer fields only");
    }
    if (const YamlValue* const role = fields.find("role")) field_role(*role, row);
  } else {
    field_type(item.value, row, model_.structs);
  }

  const unsigned end = row.offset + field_size(row);
  if (end > structure.size) {
    item.key.fail("`" + row.name + "` ends at byte " + std::to_string(end) + " of " +
                  std::to_string(structure.size) + "; expected it inside `" + structure.name + "`");
  }
  for (const FieldModel& other : structure.fields) {
    if (row.offset < other.offset + field_size(other) && other.offset < end) {
      item.key.fail("`" + row.name + "` overlaps `" + other.name + "` (" + line_of(other.where) +
                    "); expected fields that do not share bytes");
    }
  }
  structure.fields.push_back(std::move(row));
}

void Reader::field_role(const YamlValue& value, FieldModel& field) {
  field.role = read_role(value, model_);
  if (!field.struct_type.empty() || (field.count != 1 && field.role.kind != RoleKind::signal_set))
    value.fail("`" + field.name +
               "` is not a number; expected `role` on numbers and pointers, or `signal_set` on bytes");
}

void Reader::variant(const YamlMap::Item& item) {
  const YamlMap map = item.value.map();
  map.allow_only({"by", "cases", "note"});
  check_note(map);
  VariantModel variant;
  variant.name = item.key.identifier();
  variant.where = item.key.where();
  if (const YamlValue* const by = map.find("by")) {
    variant.by = by->identifier();
    if (variant.by != "signals" && std::none_of(model_.flags.begin(), model_.flags.end(),
                                                [&](const auto& set) { return set.name == variant.by; }))
      by->fail("`" + variant.by + "` is not in `flags`; expected a flag set of this table, or `signals`");
  }
  for (const YamlMap::Item& row : map.require("cases").map().items())
    variant.cases.push_back({row.key.name(), read_role(row.value, model_), row.key.where()});
  model_.variants.push_back(std::move(variant));
}

void Reader::structure(const YamlMap::Item& item) {
  const YamlMap map = item.value.map();
  map.allow_only({"size", "fields", "native", "note"});
  check_note(map);
  StructModel structure;
  structure.name = item.key.identifier();
  structure.where = item.key.where();
  if (scalar_type_of(structure.name))
    item.key.fail("`" + structure.name + "` is a scalar type; expected another name for the structure");
  structure.size = static_cast<unsigned>(map.require("size").integer(1, kMaxStruct));
  structure.native = native_name_or_none(map);
  for (const YamlMap::Item& row : map.require("fields").map().items()) field(row, structure);
  model_.structs.push_back(std::move(structure));
}

void Reader::calls(const YamlMap& map) {
  std::set<std::string> names;
  for (const YamlMap::Item& item : map.items()) {
    CallModel call = read_call(item, model_);
    const auto same = std::find_if(model_.calls.begin(), model_.calls.end(),
                                   [&](const CallModel& other) { return other.number == call.number; });
    if (same != model_.calls.end()) {
      item.key.fail("call " + std::to_string(call.number) + " is there twice; the first is in " +
                    line_of(same->where));
    }
    if (!names.insert(call.name).second)
      item.key.fail("a second call is named `" + call.name + "`; expected different names");
    model_.calls.push_back(std::move(call));
  }
  std::sort(model_.calls.begin(), model_.calls.end(),
            [](const CallModel& a, const CallModel& b) { return a.number < b.number; });
}

void Reader::classes(const YamlMap& map) {
  for (const YamlMap::Item& item : map.items()) {
    const auto known = std::find(kCallClassNames.begin(), kCallClassNames.end(), item.key.name());
    if (known == kCallClassNames.end()) {
      item.key.fail("`" + item.key.name() + "` is not a class of calls" +
                    did_you_mean(item.key.name(), kCallClassNames, "one of tables/README.md"));
    }
    const CallClasses bit = class_bit(static_cast<CallClass>(known - kCallClassNames.begin()));
    for (const YamlValue& value : item.value.list()) {
      const std::string name = value.identifier();
      const auto call = std::find_if(model_.calls.begin(), model_.calls.end(),
                                     [&](const CallModel& row) { return row.name == name; });
      if (call == model_.calls.end())
        value.fail("`" + name + "` is not in `calls`; expected the name of a call of this table");
      call->classes |= bit;
    }
  }
}

}  // namespace

TableModel parse_table(std::string_view text, const std::string& file) {
  TableModel model;
  model.file = file;
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    Reader(YamlValue(file, root, "table", {1, 1}), model).read();
  } catch (const YAML::Exception& error) {
    const bool known = !error.mark.is_null();
    throw TableError(file, known ? Where{error.mark.line + 1, error.mark.column + 1} : Where{},
                     "not valid YAML: " + error.msg + "; see tables/README.md for the format");
  }
  return model;
}

TableModel read_table(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw TableError(path, {}, "cannot be opened; expected a table file");
  std::string text;
  try {
    text.assign(std::istreambuf_iterator<char>(file), {});
  } catch (const std::ios_base::failure&) {  // a directory
    file.setstate(std::ios::badbit);
  }
  if (file.bad()) throw TableError(path, {}, "cannot be read; expected a table file");
  return parse_table(text, path);
}

}  // namespace sudrun::abi
