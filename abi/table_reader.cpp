#include "abi/table_reader.hpp"

#include <algorithm>

#include "abi/call_reader.hpp"
#include "abi/role_text.hpp"
#include "abi/spelling.hpp"
#include "abi/yaml_file.hpp"
#include "abi/yaml_view.hpp"

namespace sudrun::abi {

namespace {

constexpr std::uint64_t kMaxStruct = 0xfff0;
constexpr int kMaxNumber = 65535;

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

std::string line_of(Where where) {
  return where.line == 0 ? "of the table this one extends" : "line " + std::to_string(where.line);
}

/// The row of the key's name, made new: one of the same name in the table this one extends is gone.
template <typename Row>
Row& put(std::vector<Row>& rows, const YamlMap::Item& item) {
  Row* const same = find_row(rows, item.key.name());
  Row& row = same == nullptr ? rows.emplace_back() : *same;
  row = Row{};
  row.name = item.key.name();
  row.where = item.key.where();
  return row;
}

/// Refuses a second row of the same number.
template <typename Row>
void one_of_a_number(const std::vector<Row>& rows, const Row& row, const YamlMap::Item& item,
                     const char* what) {
  for (const Row& other : rows) {
    if (&other == &row || other.value != row.value) continue;
    item.key.fail("`" + row.name + "` has the number of `" + other.name + "` (" + line_of(other.where) +
                  "); expected one name per " + what + " number");
  }
}

class Reader {
 public:
  Reader(YamlValue root, bool extends, TableModel& model, const FindBase& find_base)
      : root_(std::move(root)), extends_(extends), model_(model), find_base_(find_base) {}
  void read();
  /// True if nothing is wrong but rows of calls.
  bool all_but_calls() const noexcept { return all_but_calls_; }

 private:
  /// Calls `read` with the value of `key`, if it is there. False if something is wrong with it.
  template <typename Read>
  bool section(const YamlMap& top, std::string_view key, Read&& read) {
    const YamlValue* const value = top.find(key);
    const bool good = value == nullptr || root_.attempt([&] { read(*value); });
    good_ = good_ && good;
    return good;
  }
  /// The same with each row of it.
  template <typename Read>
  bool rows(const YamlMap& top, std::string_view key, Read&& read) {
    return section(top, key, [&](const YamlValue& value) {
      for (const YamlMap::Item& item : value.map().items()) root_.attempt([&] { read(item); });
    });
  }
  void extend(const YamlValue& value);
  void abi(const YamlValue& value);
  void source(const YamlMap::Item& item);
  void identify(const YamlMap& map);
  void release(const YamlMap::Item& item);
  void convention(const YamlMap& map);
  void registers(const YamlValue& args);
  void errno_row(const YamlMap::Item& item);
  void errno_alias(const YamlMap::Item& item);
  void signal(const YamlMap::Item& item);
  void flag_set(const YamlMap::Item& item);
  void flag_value(const YamlMap::Item& item, FlagSetModel& set);
  void structure(const YamlMap::Item& item);
  void field(const YamlMap::Item& item, StructModel& structure);
  void field_role(const YamlValue& value, FieldModel& field);
  void variant(const YamlMap::Item& item);
  unsigned field_size(const FieldModel& field) const;
  void call(const YamlMap::Item& item);
  void call_class(const YamlMap::Item& item, bool calls_are_known);

  YamlValue root_;
  bool extends_;  ///< the table changes another
  TableModel& model_;
  const FindBase& find_base_;
  bool good_ = true, all_but_calls_ = false;
};

void Reader::read() {
  const YamlMap top = root_.map(extends_);
  section(top, "extends", [&](const YamlValue& value) { extend(value); });
  if (extends_ && model_.extends.empty()) return;  // nothing can be said without it
  section(top, "abi", [&](const YamlValue& value) { abi(value); });
  section(top, "title", [&](const YamlValue& value) { model_.title = value.text(); });
  section(top, "personality", [&](const YamlValue& value) {
    model_.personality = value.identifier();
    model_.personality_where = value.where();
  });
  rows(top, "source", [&](const YamlMap::Item& item) { source(item); });
  section(top, "identify", [&](const YamlValue& value) { identify(value.map()); });
  section(top, "sysroot", [&](const YamlValue& value) { model_.sysroot_hint = value.text(); });
  rows(top, "releases", [&](const YamlMap::Item& item) { release(item); });
  section(top, "convention", [&](const YamlValue& value) { convention(value.map(extends_)); });
  rows(top, "errno", [&](const YamlMap::Item& item) { errno_row(item); });
  rows(top, "errno_from_native", [&](const YamlMap::Item& item) { errno_alias(item); });
  rows(top, "signals", [&](const YamlMap::Item& item) { signal(item); });
  rows(top, "flags", [&](const YamlMap::Item& item) { flag_set(item); });
  rows(top, "structs", [&](const YamlMap::Item& item) { structure(item); });
  rows(top, "variants", [&](const YamlMap::Item& item) { variant(item); });
  rows(top, "sysctl", [&](const YamlMap::Item& item) {
    SysctlModel& row = put(model_.sysctls, item);
    row.value = item.value.text_or_empty();
    row.quoted = item.value.is_quoted();
  });
  if (top.told().misspelt) return;  // calls may need what stands there
  all_but_calls_ = good_ && top.told().missing.empty();
  const bool known = rows(top, "calls", [&](const YamlMap::Item& item) { call(item); });
  std::sort(model_.calls.begin(), model_.calls.end(),
            [](const CallModel& a, const CallModel& b) { return a.number < b.number; });
  rows(top, "classes", [&](const YamlMap::Item& item) { call_class(item, known); });
}

void Reader::extend(const YamlValue& value) {
  const std::string name = value.text();
  if (!find_base_) value.fail("a built-in table extends no other; expected no `extends`");
  TableModel base;
  try {
    base = find_base_(name, model_.file);
  } catch (const TableError& error) {
    // What is wrong in that file is told of that file; that it cannot be had is told here.
    const Problem& first = error.problems().front();
    if (first.where.line == 0) value.fail(first.message);
    throw;
  }
  base.file = model_.file;
  base.extends = name;
  base.personality_where = value.where();
  model_ = std::move(base);
}

void Reader::abi(const YamlValue& value) {
  model_.abi = value.text();
  if (model_.abi.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") != std::string::npos)
    value.fail("`" + model_.abi +
               "` is not an ABI's name; expected lower-case letters, digits, `-`, `_`, `.`");
}

void Reader::source(const YamlMap::Item& item) {
  std::string text;
  if (item.value.is_list()) {
    for (const YamlValue& value : item.value.list()) text += (text.empty() ? "" : ", ") + value.text();
  } else {
    text = item.value.text();
  }
  model_.source[item.key.name()] = text;
}

void Reader::identify(const YamlMap& map) {
  if (const YamlValue* const osabi = map.find("osabi")) model_.osabi = static_cast<int>(osabi->integer());
  if (const YamlValue* const notes = map.find("notes")) {
    model_.notes.clear();
    for (const YamlValue& value : notes->list()) {
      const YamlMap note = value.map();
      model_.notes.push_back(
          {note.require("name").text(), static_cast<std::uint32_t>(note.require("type").integer())});
    }
  }
  if (const YamlValue* const interpreters = map.find("interpreters")) {
    model_.interpreters.clear();
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

void Reader::release(const YamlMap::Item& item) {
  const std::string& name = item.key.name();
  if (name.find('-') != std::string::npos)
    item.key.fail("`" + name + "` is not a release; expected its number alone, as in `14.1`");
  std::erase_if(model_.releases, [&](const ReleaseModel& row) { return row.name == name; });
  model_.releases.push_back({name, static_cast<std::uint32_t>(item.value.integer())});
}

/// The choices stand in the order of Registers, which Convention's indices follow.
std::uint8_t register_index(const YamlValue& value) { return static_cast<std::uint8_t>(value.choice()); }

void Reader::registers(const YamlValue& args) {
  Convention& convention = model_.convention;
  const auto registers = args.list();
  if (registers.size() > convention.args.size())
    args.fail("`args` has " + std::to_string(registers.size()) + " registers; expected at most 6");
  convention.argc = 0;
  convention.args.fill(0);
  for (const YamlValue& value : registers) {
    const std::uint8_t index = register_index(value);
    const auto* const end = convention.args.begin() + convention.argc;
    if (std::find(convention.args.cbegin(), end, index) != end)
      value.fail("`" + value.text() + "` is there twice in `args`; expected different registers");
    convention.args[convention.argc++] = index;
  }
}

void Reader::convention(const YamlMap& map) {
  Convention& convention = model_.convention;
  if (!extends_) {
    convention.result2 = 0xff;
    convention.indirect.fill(-1);
    convention.at_fdcwd = kAtFdcwd;
  }
  const auto key = [&](std::string_view name, auto&& read) {
    if (const YamlValue* const value = map.find(name)) good_ = value->attempt([&] { read(*value); }) && good_;
  };
  const auto reg = [&](std::string_view name, std::uint8_t& to) {
    key(name, [&](const YamlValue& value) { to = register_index(value); });
  };
  reg("number", convention.number);
  reg("result", convention.result);
  reg("result2", convention.result2);
  key("clears_result2", [&](const YamlValue& value) {
    convention.clears_result2 = value.boolean();
    if (convention.result2 == 0xff && map.find("result2") == nullptr)
      value.fail("`clears_result2` without `result2`; expected both");
  });
  key("args", [&](const YamlValue& value) { registers(value); });
  key("stack_args", [&](const YamlValue& value) {
    convention.stack_args = static_cast<std::uint8_t>(value.integer());
    if (convention.stack_args % 8 != 0) value.fail("`stack_args` is not aligned; expected a multiple of 8");
  });
  key("error", [&](const YamlValue& value) { convention.carry_error = value.choice() == 1; });
  key("indirect", [&](const YamlValue& value) {
    const auto numbers = value.list();
    if (numbers.size() > convention.indirect.size())
      value.fail("`indirect` has " + std::to_string(numbers.size()) + " numbers; expected at most 4");
    convention.indirect.fill(-1);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      convention.indirect[i] = static_cast<std::int16_t>(numbers[i].integer());
  });
  key("thread_pointer", [](const YamlValue& value) { value.choice(); });
  key("at_fdcwd",
      [&](const YamlValue& value) { convention.at_fdcwd = static_cast<std::int32_t>(value.integer()); });
}

void Reader::errno_row(const YamlMap::Item& item) {
  item.key.identifier();
  ErrnoModel& row = put(model_.errnos, item);
  const YamlMap fields = item.value.map();
  check_note(fields);
  row.native = native_name_or_none(fields);
  row.value = static_cast<int>(fields.require("value").integer());
  one_of_a_number(model_.errnos, row, item, "error");
  // In the extended table aliases say what stands for each native error. Now this row does.
  const std::string& native = row.native.kind == NativeName::Kind::other ? row.native.name : row.name;
  if (extends_ && row.native.kind != NativeName::Kind::none)
    std::erase_if(model_.errno_from_native, [&](const AliasModel& alias) { return alias.native == native; });
}

void Reader::errno_alias(const YamlMap::Item& item) {
  const std::string guest = item.value.identifier();
  const std::string native = item.key.identifier();
  if (!has_name(model_.errnos, guest))
    item.value.fail("`" + guest + "` is not in `errno`" +
                    did_you_mean(guest, names_of(model_.errnos), "an error of this table"));
  std::erase_if(model_.errno_from_native, [&](const AliasModel& alias) { return alias.native == native; });
  model_.errno_from_native.push_back({native, guest, item.key.where()});
}

void Reader::signal(const YamlMap::Item& item) {
  const std::string& name = item.key.name();
  const std::size_t plus = name.find('+');
  if (!is_identifier(name.substr(0, plus)) ||
      (plus != std::string::npos && !parse_integer(name.substr(plus + 1))))
    item.key.fail("`" + name + "` is not a signal's name; expected a name, or a name and `+NUMBER`");
  SignalModel& row = put(model_.signals, item);
  const YamlMap fields = item.value.map();
  check_note(fields);
  row.native = native_name_or_none(fields);
  if (const YamlValue* const action = fields.find("default"))
    row.by_default = static_cast<SignalDefault>(1 + action->choice());
  row.value = static_cast<int>(fields.require("value").integer());
  one_of_a_number(model_.signals, row, item, "signal");
}

void Reader::flag_value(const YamlMap::Item& item, FlagSetModel& set) {
  item.key.identifier();
  FlagValueModel& row = put(set.values, item);
  const YamlMap fields = item.value.map();
  check_note(fields);
  row.native = native_name(fields);
  row.value = fields.require("value").word();
  if (const YamlValue* const mask = fields.find("field")) {
    if (set.is_enum) mask->fail("`field` in an enumeration; expected it in sets of `kind: bits` only");
    row.field = mask->word();
    if ((row.value & ~*row.field) != 0)
      mask->fail("the value of `" + row.name + "` lies outside its `field`");
  }

  for (const FlagValueModel& other : set.values) {
    // Itself, aliases, or values of one field.
    if (set.is_enum || row.mask() == other.mask()) continue;
    const std::uint64_t common = row.mask() & other.mask();
    // A larger value may contain a smaller one; a field shares its bits with nothing.
    const bool contained = !row.field && !other.field && (common == row.mask() || common == other.mask());
    if (common != 0 && !contained) {
      item.key.fail("`" + row.name + "` overlaps `" + other.name + "` (" + line_of(other.where) +
                    "); expected separate bits, or one `field` around both");
    }
  }
}

void Reader::flag_set(const YamlMap::Item& item) {
  if (parse_role(item.key.identifier()).role.kind != RoleKind::flags)
    item.key.fail("`" + item.key.name() + "` is the name of a role; expected another name for the set");
  const bool adds = extends_ && has_name(model_.flags, item.key.name());
  if (!adds) put(model_.flags, item);
  FlagSetModel& set = *find_row(model_.flags, item.key.name());
  set.where = item.key.where();
  const YamlMap map = item.value.map(adds);
  check_note(map);
  if (const YamlValue* const kind = map.find("kind"))
    good_ = kind->attempt([&] { set.is_enum = kind->choice() == 1; }) && good_;
  if (const YamlValue* const trace_only = map.find("trace_only")) set.trace_only = trace_only->boolean();
  if (const YamlValue* const unknown = map.find("unknown")) {
    set.unknown = static_cast<FlagSet::Unknown>(unknown->choice());
    if (set.is_enum && set.unknown == FlagSet::Unknown::ignore)
      unknown->fail("an enumeration cannot ignore unknown values; expected `refuse` or `keep`");
  }
  if (const YamlValue* const values = map.find("values")) {
    for (const YamlMap::Item& value : values->map().items())
      good_ = item.key.attempt([&] { flag_value(value, set); }) && good_;
  }
}

unsigned Reader::field_size(const FieldModel& field) const {
  if (field.struct_type.empty()) return scalar_size(field.type) * field.count;
  const StructModel* const found = find_row(model_.structs, field.struct_type);
  return found == nullptr ? 0 : found->size;
}

std::vector<std::string_view> type_names(const std::vector<StructModel>& structs) {
  std::vector<std::string_view> names = names_of(structs);
  const auto scalars = scalar_type_names();
  names.insert(names.end(), scalars.begin(), scalars.end());
  return names;
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
  if (!has_name(structs, type))
    value.fail("`" + type + "` is not a type" +
               did_you_mean(type, type_names(structs),
                            "i8…u64, char[N], pad[N] or a structure written before this one"));
}

void Reader::field(const YamlMap::Item& item, StructModel& structure) {
  FieldModel row;
  row.name = item.key.name();
  if (!is_path_of_identifiers(row.name)) item.key.identifier();
  row.where = item.key.where();
  const YamlMap fields = item.value.map();
  check_note(fields);
  field_type(fields.require("at"), row, model_.structs);
  row.native = native_name_or_none(fields);
  if (const YamlValue* const flags = fields.find("flags")) {
    row.flags = flags->identifier();
    if (!has_name(model_.flags, row.flags))
      flags->fail("`" + row.flags + "` is not in `flags`" +
                  did_you_mean(row.flags, names_of(model_.flags), "a flag set of this table"));
    if (!row.struct_type.empty() || row.count != 1)
      flags->fail("`" + row.name + "` is not an integer; expected `flags` on integer fields only");
  }
  if (const YamlValue* const role = fields.find("role")) field_role(*role, row);

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
  item.key.identifier();
  VariantModel& variant = put(model_.variants, item);
  const YamlMap map = item.value.map();
  check_note(map);
  if (const YamlValue* const by = map.find("by")) {
    variant.by = by->identifier();
    if (variant.by != "signals" && !has_name(model_.flags, variant.by))
      by->fail("`" + variant.by + "` is not in `flags`" +
               did_you_mean(variant.by, names_of(model_.flags), "a flag set of this table, or `signals`"));
  }
  for (const YamlMap::Item& row : map.require("cases").map().items()) {
    good_ = row.key.attempt([&] {
      variant.cases.push_back({row.key.name(), read_role(row.value, model_), row.key.where()});
    }) && good_;
  }
}

void Reader::structure(const YamlMap::Item& item) {
  if (scalar_type_of(item.key.identifier()))
    item.key.fail("`" + item.key.name() + "` is a scalar type; expected another name for the structure");
  const YamlMap map = item.value.map();
  check_note(map);
  // Not yet among the others, so that it cannot contain itself.
  StructModel structure;
  structure.name = item.key.name();
  structure.where = item.key.where();
  const bool fits = item.key.attempt([&] {
    structure.size = static_cast<unsigned>(map.require("size").integer());
    structure.native = native_name_or_none(map);
  });
  if (fits) {
    for (const YamlMap::Item& row : map.require("fields").map().items())
      good_ = row.key.attempt([&] { field(row, structure); }) && good_;
  }
  good_ = good_ && fits;
  put(model_.structs, item) = std::move(structure);
}

void Reader::call(const YamlMap::Item& item) {
  const auto number = static_cast<unsigned>(item.key.integer(0, kMaxNumber));
  const auto same = std::find_if(model_.calls.begin(), model_.calls.end(),
                                 [&](const CallModel& other) { return other.number == number; });
  const bool is_there = same != model_.calls.end();
  if (is_there && same->where.line != 0) {
    item.key.fail("call " + std::to_string(number) + " is there twice; the first is in " +
                  line_of(same->where));
  }
  CallModel call = read_call(item, number, is_there ? &*same : nullptr, model_);
  for (const CallModel& other : model_.calls) {
    if (other.name == call.name && other.number != number)
      item.key.fail("a second call is named `" + call.name + "`; expected different names");
  }
  if (is_there) {
    *same = std::move(call);
  } else {
    model_.calls.push_back(std::move(call));
  }
}

/// `calls_are_known`: a name that is not among them is wrong, and not that of a row with problems of its own.
void Reader::call_class(const YamlMap::Item& item, bool calls_are_known) {
  const auto known = std::find(kCallClassNames.begin(), kCallClassNames.end(), item.key.name());
  const CallClasses bit = class_bit(static_cast<CallClass>(known - kCallClassNames.begin()));
  for (const YamlValue& value : item.value.list()) {
    const std::string name = value.identifier();
    if (CallModel* const call = find_row(model_.calls, name)) {
      call->classes |= bit;
    } else if (calls_are_known) {
      value.tell("`" + name + "` is not in `calls`" +
                 did_you_mean(name, names_of(model_.calls), "the name of a call of this table"));
    }
  }
}

}  // namespace

bool parse_table(std::string_view text, const std::string& file, const FindBase& find_base, TableModel& model,
                 Problems& problems) {
  model.file = file;
  const YamlSource source{file, problems};
  bool whole = false;
  problems.attempt([&] {
    const YAML::Node root = parse_yaml(text, file);
    if (root.IsMap() && root.size() == 1 && root["sysctl"])
      throw TableError(file, {1, 1}, "holds sysctl nodes alone, which are built in; expected a table");
    const bool extends = root.IsMap() && root["extends"];
    Reader reader(YamlValue(source, root, "table", {1, 1}, kTableFile), extends, model, find_base);
    reader.read();
    whole = reader.all_but_calls();
  });
  return whole;
}

TableModel parse_table(std::string_view text, const std::string& file) {
  TableModel model;
  Problems problems;
  parse_table(text, file, {}, model, problems);
  problems.throw_if_any();
  return model;
}

bool read_table(const std::string& path, const FindBase& find_base, TableModel& model, Problems& problems) {
  std::string text;
  return problems.attempt([&] { text = read_whole(path); }) &&
         parse_table(text, path, find_base, model, problems);
}

TableModel read_table(const std::string& path) { return parse_table(read_whole(path), path); }

}  // namespace sudrun::abi
