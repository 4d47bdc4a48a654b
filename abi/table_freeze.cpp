#include "abi/table_freeze.hpp"

#include <algorithm>
#include <limits>

#include "abi/block_writer.hpp"
#include "abi/fast_kind.hpp"
#include "abi/futex_freeze.hpp"
#include "abi/marshal.hpp"
#include "abi/role_text.hpp"
#include "abi/spelling.hpp"
#include "abi/struct_match.hpp"
#include "abi/sysctl_freeze.hpp"
#include "abi/table_block.hpp"
#include "abi/yaml_view.hpp"

namespace sudrun::abi {

namespace {

using detail::BlockHeader;
using detail::FlagSetRecord;
using detail::kMaxNativeSignal;
using detail::kNoFlagSet;
using detail::SignalRecord;
using detail::StructRecord;
using detail::VariantCase;
using detail::VariantRecord;

constexpr std::size_t kMaxConstants = 128;
constexpr std::size_t kMaxFields = 127;  // of a structure; Role::count
constexpr unsigned kMaxVariantDepth = 8;
constexpr std::size_t kMaxRows = 0x7fff;

template <typename Rows>
std::uint16_t row_index(const Rows& rows, const std::string& name) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return static_cast<std::uint16_t>(found - rows.begin());
}

/// The native name a row stands for.
template <typename Row>
const std::string& native_name_of(const Row& row) {
  return row.native.kind == NativeName::Kind::other ? row.native.name : row.name;
}

constexpr std::string_view kOtherErrors = "default";  // in errno_from_native

class Freezer {
 public:
  Freezer(const TableModel& guest, const TableModel& native, std::span<const std::string_view> handlers)
      : guest_(guest), native_(native), handlers_(handlers), identity_(guest.abi == native.abi) {}

  std::vector<std::byte> freeze();

 private:
  [[noreturn]] void fail(Where where, const std::string& message) const {
    throw TableError(guest_.file, guest_.place(where), message);
  }
  /// Rows are referred to by indices that are not to be taken for kScalarParam or kNoFlagSet.
  template <typename Rows>
  void check_size(const Rows& rows, const std::string& what) const {
    if (rows.size() > kMaxRows)
      fail(rows.back().where,
           "the table has too many " + what + "; expected at most " + std::to_string(kMaxRows));
  }
  void identification();
  void errnos();
  int native_errno(const ErrnoModel& row) const;
  void signals();
  int native_signal(const SignalModel& row) const;
  void flag_sets();
  FlagValue flag_value(const FlagSetModel& set, const FlagValueModel& row, const FlagSetModel* native_set);
  void structs();
  void calls();
  Entry entry(const CallModel& call);
  /// Problems::attempt() for what calls role().
  template <typename Step>
  void attempt_roles(Step&& step) {
    const std::size_t variants = variants_.size();
    variant_depth_ = 0;
    if (!problems_.attempt(step)) variants_.resize(variants);  // there may be no room for others' else
  }
  Role role(const RoleModel& model, const std::vector<std::string>& names);
  std::uint8_t reference(const RoleModel& model, const std::vector<std::string>& names) const;
  std::uint16_t variant(const RoleModel& model, const std::vector<std::string>& names);
  std::uint64_t case_value(const VariantModel& variant, const VariantModel::Case& one) const;
  void action(const CallModel& call, Entry& entry);
  void native_action(const CallModel& call, Entry& entry);
  void check_native_role(const CallModel& call, const ArgModel& arg, std::size_t& scratch,
                         std::size_t& largest) const;
  std::uint8_t constant(std::uint64_t value, const CallModel& call);

  Problems problems_;
  const TableModel& guest_;
  const TableModel& native_;
  std::span<const std::string_view> handlers_;
  bool identity_;
  BlockWriter block_;
  BlockHeader header_{};
  std::vector<std::uint64_t> constants_;
  std::vector<MatchedStruct> structs_;
  std::vector<std::uint8_t> flag_widths_;
  std::vector<VariantRecord> variants_;
  std::vector<VariantCase> cases_;
  unsigned variant_depth_ = 0;
};

std::vector<std::byte> Freezer::freeze() {
  check_size(guest_.flags, "flag sets");
  check_size(guest_.structs, "structures");
  identification();
  errnos();
  signals();
  flag_sets();
  structs();
  calls();
  header_.sysctls = block_.area(freeze_sysctls(guest_, block_, problems_));
  problems_.throw_if_any();
  header_.constants = block_.area(constants_);
  header_.variants = block_.area(variants_);
  header_.cases = block_.area(cases_);
  std::vector<std::uint32_t> handlers;
  for (const std::string_view name : handlers_) handlers.push_back(block_.string(std::string(name)));
  header_.handlers = block_.area(handlers);
  return block_.finish(header_);
}

void Freezer::identification() {
  header_.abi = block_.string(guest_.abi);
  header_.title = block_.string(guest_.title);
  header_.personality = block_.string(guest_.personality);
  const auto release = guest_.source.find("release");
  header_.release = release == guest_.source.end() ? 0 : block_.string(release->second);
  header_.osabi = guest_.osabi.value_or(-1);
  header_.convention = guest_.convention;
  std::vector<NoteId> notes;
  for (const NoteModel& note : guest_.notes) notes.push_back({block_.string(note.name), note.type});
  header_.notes = block_.area(notes);
  std::vector<std::uint32_t> interpreters;
  for (const std::string& path : guest_.interpreters) interpreters.push_back(block_.string(path));
  header_.interpreters = block_.area(interpreters);
  header_.entry_code = guest_.entry_code.empty() ? 0 : block_.string(guest_.entry_code);
  header_.sysroot_hint = guest_.sysroot_hint.empty() ? 0 : block_.string(guest_.sysroot_hint);
  std::vector<ReleaseId> releases;
  for (const ReleaseModel& row : guest_.releases) releases.push_back({block_.string(row.name), row.number});
  header_.releases = block_.area(releases);
}

int Freezer::native_errno(const ErrnoModel& row) const {
  if (row.native.kind == NativeName::Kind::none) return 0;
  const ErrnoModel* const native = find_row(native_.errnos, native_name_of(row));
  if (native == nullptr) {
    fail(row.where, "`" + native_name_of(row) + "` is not a native error" +
                        did_you_mean(native_name_of(row), names_of(native_.errnos),
                                     "`native:` with one, or `native: none`"));
  }
  return native->value;
}

void Freezer::errnos() {
  int limit = 0, native_limit = 0;
  for (const ErrnoModel& row : guest_.errnos) limit = std::max(limit, row.value);
  for (const ErrnoModel& row : native_.errnos) native_limit = std::max(native_limit, row.value);
  std::vector<std::uint32_t> names(static_cast<std::size_t>(limit) + 1);
  std::vector<std::uint16_t> to_guest(static_cast<std::size_t>(native_limit) + 1);

  // Where several rows stand for one native error, errno_from_native decides, then the row of the same name.
  const AliasModel* others = nullptr;
  for (const AliasModel& alias : guest_.errno_from_native) {
    if (alias.native == kOtherErrors) {
      others = &alias;
      continue;
    }
    problems_.attempt([&] {
      const ErrnoModel* const native = find_row(native_.errnos, alias.native);
      if (native == nullptr)
        fail(alias.where, "`" + alias.native + "` is not a native error" +
                              did_you_mean(alias.native, names_of(native_.errnos), "one that is"));
      to_guest[static_cast<std::size_t>(native->value)] =
          static_cast<std::uint16_t>(find_row(guest_.errnos, alias.guest)->value);
    });
  }
  for (const bool same_name : {true, false}) {
    for (const ErrnoModel& row : guest_.errnos) {
      if ((row.native.kind == NativeName::Kind::same) != same_name) continue;
      problems_.attempt([&] {
        const auto native = static_cast<std::size_t>(native_errno(row));
        if (native != 0 && to_guest[native] == 0) to_guest[native] = static_cast<std::uint16_t>(row.value);
      });
    }
  }
  for (const ErrnoModel& row : guest_.errnos)
    names[static_cast<std::size_t>(row.value)] = block_.string(row.name);
  const bool known = problems_.none();  // else one that is missing may be one that is misspelt
  for (const ErrnoModel& native : native_.errnos) {
    std::uint16_t& form = to_guest[static_cast<std::size_t>(native.value)];
    if (others != nullptr && form == 0)
      form = static_cast<std::uint16_t>(find_row(guest_.errnos, others->guest)->value);
    if (!known || form != 0) continue;
    problems_.add(
        {guest_.file, guest_.personality_where,
         "the native error " + native.name +
             " has no form in this table; expected a row of that name, or one for it or for `default` in "
             "`errno_from_native`"});
  }
  // What Linux has no name for leaks from drivers now and then; the guest gets the plainest error it knows.
  const ErrnoModel* const eio = find_row(guest_.errnos, others != nullptr ? others->guest : "EIO");
  header_.errno_fallback = identity_ || eio == nullptr ? -1 : eio->value;
  header_.errno_names = block_.area(names);
  header_.errno_to_guest = block_.area(to_guest);
}

int Freezer::native_signal(const SignalModel& row) const {
  if (row.native.kind == NativeName::Kind::none) return 0;
  const std::string& name = native_name_of(row);
  if (const SignalModel* const native = find_row(native_.signals, name)) return native->value;
  // NAME+N where only NAME has a row.
  const std::size_t plus = name.find('+');
  const SignalModel* const base =
      plus == std::string::npos ? nullptr : find_row(native_.signals, name.substr(0, plus));
  if (base != nullptr) {
    const std::string digits = name.substr(plus + 1);
    const bool number =
        !digits.empty() && digits.size() <= 2 && digits.find_first_not_of("0123456789") == std::string::npos;
    const int value = number ? base->value + std::stoi(digits) : 0;
    if (value > 0 && value <= kMaxNativeSignal) return value;
  }
  fail(row.where, "`" + name + "` is not a native signal" +
                      did_you_mean(name, names_of(native_.signals), "`native:` with one, or `native: none`"));
}

void Freezer::signals() {
  int limit = 0;
  for (const SignalModel& row : guest_.signals) limit = std::max(limit, row.value);
  std::vector<SignalRecord> records(static_cast<std::size_t>(limit) + 1);
  std::vector<std::uint16_t> to_guest(kMaxNativeSignal + 1);
  for (const SignalModel& row : guest_.signals) {
    problems_.attempt([&] {
      const int native = native_signal(row);
      records[static_cast<std::size_t>(row.value)] = {block_.string(row.name),
                                                      static_cast<std::uint16_t>(native), row.by_default, 0};
      if (native == 0) return;
      std::uint16_t& taken = to_guest.at(static_cast<std::size_t>(native));
      if (taken != 0) {
        fail(row.where, "`" + row.name + "` has the same native signal as signal " + std::to_string(taken) +
                            "; expected different ones, or `native: none`");
      }
      taken = static_cast<std::uint16_t>(row.value);
    });
  }
  header_.signals = block_.area(records);
  header_.signal_to_guest = block_.area(to_guest);
}

FlagValue Freezer::flag_value(const FlagSetModel& set, const FlagValueModel& row,
                              const FlagSetModel* native_set) {
  FlagValue value{};
  value.name = block_.string(row.name);
  value.guest = row.value;
  value.mask = set.is_enum ? ~std::uint64_t{0} : row.mask();
  value.map = FlagValue::Map::exact;
  if (native_set == nullptr) {
    value.native = value.guest;
    value.native_mask = value.mask;
    return value;
  }
  if (row.native.kind == NativeName::Kind::none || row.native.kind == NativeName::Kind::refuse) {
    // In an enumeration there is nothing left once the value is dropped.
    const bool drop = row.native.kind == NativeName::Kind::none && !set.is_enum;
    value.map = drop ? FlagValue::Map::drop : FlagValue::Map::refuse;
    return value;
  }
  const FlagValueModel* const native = find_row(native_set->values, native_name_of(row));
  if (native == nullptr) {
    fail(row.where, "`" + native_name_of(row) + "` is not in the native set `" + set.name + "`" +
                        did_you_mean(native_name_of(row), names_of(native_set->values),
                                     "`native:` with a name that is, `none` or `refuse`"));
  }
  value.native = native->value;
  value.native_mask = native_set->is_enum ? ~std::uint64_t{0} : native->mask();
  return value;
}

void Freezer::flag_sets() {
  std::vector<FlagSetRecord> records;
  std::vector<FlagValue> values;
  for (const FlagSetModel& set : guest_.flags) {
    const FlagSetModel* native_set = set.trace_only ? nullptr : find_row(native_.flags, set.name);
    problems_.attempt([&] {
      if (!set.trace_only && native_set == nullptr) {
        fail(set.where,
             "the native table has no set `" + set.name + "`" +
                 did_you_mean(set.name, names_of(native_.flags), "one of its sets, or `trace_only: true`"));
      }
      if (native_set != nullptr && native_set->is_enum != set.is_enum)
        fail(set.where,
             "`" + set.name + "` is of another kind in the native table; expected the same `kind`");
    });

    FlagSetRecord record{};
    record.name = block_.string(set.name);
    record.first = static_cast<std::uint32_t>(values.size());
    record.count = static_cast<std::uint32_t>(set.values.size());
    record.is_enum = set.is_enum ? 1 : 0;
    record.trace_only = set.trace_only ? 1 : 0;
    // What is the same on both sides is for the kernel to judge.
    record.unknown = set.trace_only || identity_ ? FlagSet::Unknown::keep : set.unknown;
    std::uint64_t all = 0;
    for (const FlagValueModel& row : set.values) {
      problems_.attempt([&] { values.push_back(flag_value(set, row, native_set)); });
      // Negative values of 32 bits are 32 bits wide.
      const auto as_signed = static_cast<std::int64_t>(row.value);
      all |=
          as_signed < 0 && as_signed >= std::numeric_limits<std::int32_t>::min() ? 0 : row.value | row.mask();
    }
    flag_widths_.push_back(all >> 32 == 0 ? 32 : 64);
    records.push_back(record);
  }
  header_.flag_sets = block_.area(records);
  header_.flag_values = block_.area(values);
}

void Freezer::structs() {
  std::vector<StructRecord> records;
  std::vector<Field> fields;
  structs_ = match_structs(guest_, native_, problems_);
  for (const MatchedStruct& matched : structs_) {
    StructRecord record{};
    record.name = block_.string(matched.name);
    record.first = static_cast<std::uint32_t>(fields.size());
    record.count = static_cast<std::uint32_t>(matched.fields.size());
    record.guest_size = matched.guest_size;
    record.native_size = matched.native_size;
    record.identical = matched.identical ? 1 : 0;
    record.native_name = block_.string(matched.native_name);
    std::vector<std::string> names;
    for (const MatchedField& row : matched.fields) names.push_back(row.name);
    if (names.size() > kMaxFields)
      fail(guest_.structs[records.size()].where,
           "`" + matched.name + "` has too many fields; expected at most 127");
    for (const MatchedField& row : matched.fields) {
      Field field{};
      field.name = block_.string(row.name);
      field.guest_offset = static_cast<std::uint16_t>(row.guest.offset);
      field.guest_type = row.guest.type;
      field.count = static_cast<std::uint16_t>(row.guest.count);
      field.has_native = row.native.has_value();
      if (row.native) {
        field.native_offset = static_cast<std::uint16_t>(row.native->offset);
        field.native_type = row.native->type;
        field.native_count = static_cast<std::uint16_t>(row.native->count);
      }
      field.flagset = row.guest.flags.empty() ? kNoFlagSet : row_index(guest_.flags, row.guest.flags);
      RoleModel model = row.guest.role;
      if (!model.count.empty() && !parse_integer(model.count)) model.count.insert(0, row.guest.prefix);
      attempt_roles([&] { field.role = role(model, names); });
      fields.push_back(field);
    }
    records.push_back(record);
  }
  header_.structs = block_.area(records);
  header_.fields = block_.area(fields);
}

/// Index of the argument or field that `model` counts with or is decided by, or the literal count.
std::uint8_t Freezer::reference(const RoleModel& model, const std::vector<std::string>& names) const {
  const auto found = std::find(names.begin(), names.end(), model.count);
  if (found != names.end()) return static_cast<std::uint8_t>(found - names.begin());
  const auto literal = parse_integer(model.count);
  if (!literal || literal->negative || literal->magnitude >= kLiteralCount || model.kind == RoleKind::variant)
    fail(model.where, "`" + model.count + "` is not an argument or field there" +
                          did_you_mean(model.count, std::vector<std::string_view>(names.begin(), names.end()),
                                       "the name of one"));
  return static_cast<std::uint8_t>(kLiteralCount | literal->magnitude);
}

std::uint64_t Freezer::case_value(const VariantModel& variant, const VariantModel::Case& one) const {
  if (variant.by == "signals") {
    if (const SignalModel* const signal = find_row(guest_.signals, one.value))
      return static_cast<std::uint64_t>(signal->value);
    fail(one.where, "`" + one.value + "` is not a signal" +
                        did_you_mean(one.value, names_of(guest_.signals), "one of this table"));
  }
  if (!variant.by.empty()) {
    const auto& values = find_row(guest_.flags, variant.by)->values;
    if (const FlagValueModel* const value = find_row(values, one.value)) return value->value;
    fail(one.where, "`" + one.value + "` is not in `" + variant.by + "`" +
                        did_you_mean(one.value, names_of(values), "a value of that set"));
  }
  const auto number = parse_integer(one.value);
  if (!number) fail(one.where, "`" + one.value + "` is not a number; expected one, or `default`");
  return number->negative ? 0 - number->magnitude : number->magnitude;
}

/// The record of a variant as one call or structure uses it: its roles may refer to arguments there.
std::uint16_t Freezer::variant(const RoleModel& model, const std::vector<std::string>& names) {
  const VariantModel* const found = find_row(guest_.variants, model.type);
  if (found == nullptr)
    fail(model.where, "`" + model.type + "` is not in `variants`" +
                          did_you_mean(model.type, names_of(guest_.variants), "one of this table"));
  if (++variant_depth_ > kMaxVariantDepth)
    fail(found->where, "`" + found->name + "` contains itself; expected roles that end");
  std::vector<VariantCase> cases;
  for (const VariantModel::Case& one : found->cases) {
    VariantCase row{};
    row.otherwise = one.value == "default";
    row.value = row.otherwise ? 0 : case_value(*found, one);
    row.role = role(one.role, names);
    cases.push_back(row);
  }
  --variant_depth_;
  if (variants_.size() == kMaxRows)
    fail(found->where, "`" + found->name +
                           "` makes too many variants of the table's; expected fewer cases that "
                           "are variants again");
  std::stable_sort(cases.begin(), cases.end(),
                   [](const VariantCase& a, const VariantCase& b) { return a.otherwise < b.otherwise; });
  variants_.push_back({block_.string(found->name), block_.string(found->by),
                       static_cast<std::uint32_t>(cases_.size()), static_cast<std::uint32_t>(cases.size())});
  cases_.insert(cases_.end(), cases.begin(), cases.end());
  return static_cast<std::uint16_t>(variants_.size() - 1);
}

Role Freezer::role(const RoleModel& model, const std::vector<std::string>& names) {
  Role role;
  role.kind = model.kind;
  role.nullable = model.nullable;
  role.written = model.written;
  if (model.no_follow) role.param = kNoFollow;
  if (model.kind == RoleKind::flags) {
    role.param = row_index(guest_.flags, model.type);
    role.count = flag_widths_[role.param];
  }
  if (has_type(model.kind)) {
    const auto scalar = scalar_type_of(model.type);
    role.param = scalar ? static_cast<std::uint16_t>(kScalarParam | static_cast<unsigned>(*scalar))
                        : row_index(guest_.structs, model.type);
  }
  if (model.kind == RoleKind::variant) role.param = variant(model, names);
  if (has_count(model.kind) || model.kind == RoleKind::variant) role.count = reference(model, names);
  return role;
}

std::uint8_t Freezer::constant(std::uint64_t value, const CallModel& call) {
  auto found = std::find(constants_.begin(), constants_.end(), value);
  if (found == constants_.end()) {
    if (constants_.size() == kMaxConstants)
      fail(call.where, "the table has too many different constants in `native_args`; expected at most 128");
    found = constants_.insert(constants_.end(), value);
  }
  return static_cast<std::uint8_t>(0x80 | (found - constants_.begin()));
}

/// Refuses roles that native_call() cannot carry, and adds up the room that conversions take.
void Freezer::check_native_role(const CallModel& call, const ArgModel& arg, std::size_t& scratch,
                                std::size_t& largest) const {
  const RoleModel& model = arg.role;
  if (model.kind == RoleKind::mib || model.kind == RoleKind::bits ||
      (model.kind == RoleKind::variant && !identity_)) {
    fail(model.where, "that role is for traces and not carried to a native call; expected a handler for `" +
                          call.name + "`");
  }
  if (model.kind == RoleKind::in_sockaddr || model.kind == RoleKind::out_sockaddr) {
    if (!identity_)
      fail(model.where,
           "socket addresses are not translated in a native row; expected a handler for `" + call.name + "`");
    return;
  }
  if (!has_type(model.kind) || scalar_type_of(model.type)) return;
  const MatchedStruct& layout = structs_[row_index(guest_.structs, model.type)];
  if (layout.identical) return;
  if (model.kind == RoleKind::in_array || model.kind == RoleKind::out_array) {
    fail(model.where, "an array of `" + model.type + "` is not the same natively; expected a handler for `" +
                          call.name + "`");
  }
  if (layout.native_size == 0) {
    fail(model.where, "`" + model.type + "` has no native form; expected a handler for `" + call.name + "`");
  }
  const auto rounded = [](std::size_t size) { return (size + 15) & ~std::size_t{15}; };
  scratch += rounded(layout.native_size);
  largest = std::max(largest, rounded(layout.guest_size));
}

void Freezer::native_action(const CallModel& call, Entry& entry) {
  const CallModel* const native = find_row(native_.calls, call.target);
  if (native == nullptr) {
    fail(call.target_where,
         "`" + call.target + "` is not a call of the native table" +
             did_you_mean(call.target, names_of(native_.calls), "the name of one that is"));
  }
  entry.target = static_cast<std::uint16_t>(native->number);

  std::vector<NativeArg> sources;
  if (call.native_args) {
    sources = *call.native_args;
  } else {
    for (const ArgModel& arg : call.args) sources.emplace_back(arg.name);
  }
  if (sources.size() != native->args.size()) {
    fail(call.where, "`" + call.name + "` passes " + std::to_string(sources.size()) + " arguments to " +
                         call.target + "; expected " + std::to_string(native->args.size()));
  }

  entry.native_argc = static_cast<std::uint8_t>(sources.size());
  entry.pass_through = true;
  std::size_t scratch = 0, largest = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (const auto* const value = std::get_if<std::uint64_t>(&sources[i])) {
      entry.native_args[i] = constant(*value, call);
      entry.pass_through = false;
      continue;
    }
    const ArgModel* const arg = find_row(call.args, std::get<std::string>(sources[i]));
    const auto index = static_cast<std::size_t>(arg - call.args.data());
    entry.native_args[i] = static_cast<std::uint8_t>(index);
    check_native_role(call, *arg, scratch, largest);
    const RoleKind kind = arg->role.kind;
    const bool unchanged =
        is_plain_word(kind) || (is_plain_int(kind) && is_plain_int(native->args[i].role.kind));
    entry.pass_through = entry.pass_through && unchanged && index == i;
  }
  entry.fast = fast_kind(guest_.convention, call, *native, entry, [this](const std::string& type) {
    return structs_[row_index(guest_.structs, type)].identical;
  });
  if (scratch + largest > kMarshalScratch) {
    fail(call.where, "the structures of `" + call.name + "` take " + std::to_string(scratch + largest) +
                         " bytes to convert; expected at most " + std::to_string(kMarshalScratch) +
                         ", or a handler");
  }
}

void Freezer::action(const CallModel& call, Entry& entry) {
  switch (call.action) {
    case Action::native:
      return native_action(call, entry);
    case Action::error:
      entry.target = static_cast<std::uint16_t>(find_row(guest_.errnos, call.target)->value);
      return;
    case Action::handler: {
      const auto at = std::find(handlers_.begin(), handlers_.end(), call.target);
      if (at == handlers_.end()) {
        fail(call.target_where, "the personality `" + guest_.personality + "` has no handler `" +
                                    call.target + "`" +
                                    did_you_mean(call.target, handlers_, "the name of one it has"));
      }
      entry.target = static_cast<std::uint16_t>(at - handlers_.begin());
      if (call.futex) freeze_futex(call, guest_, entry);
      return;
    }
    default:
      return;
  }
}

Entry Freezer::entry(const CallModel& call) {
  Entry entry{};
  entry.number = call.number;
  entry.name = block_.string(call.name);
  entry.note = call.note.empty() ? 0 : block_.string(call.note);
  entry.action = call.action;
  entry.support = call.support;
  entry.interrupt_fails = call.interrupt_fails;
  entry.argc = static_cast<std::uint8_t>(call.args.size());
  std::vector<std::string> names;
  for (const ArgModel& arg : call.args) names.push_back(arg.name);
  entry.returns = role(call.returns, names);
  for (std::size_t i = 0; i < call.args.size(); ++i) {
    entry.args[i] = role(call.args[i].role, names);
    entry.arg_names[i] = block_.string(call.args[i].name);
  }
  entry.classes = call.classes | classes_by_roles(entry);
  action(call, entry);
  return entry;
}

void Freezer::calls() {
  std::vector<Entry> entries;
  std::vector<std::uint16_t> index(guest_.calls.empty() ? 0 : guest_.calls.back().number + 1, detail::kNoRow);
  for (const CallModel& call : guest_.calls) {
    index[call.number] = static_cast<std::uint16_t>(entries.size());
    attempt_roles([&] { entries.push_back(entry(call)); });
  }
  header_.entries = block_.area(entries);
  header_.index = block_.area(index);
  header_.unsupported.action = Action::unsupported;
  header_.unsupported.number = 0xffff'ffff;
  header_.unsupported.returns.kind = RoleKind::long_;
}

}  // namespace

std::vector<std::byte> freeze(const TableModel& guest, const TableModel& native,
                              std::span<const std::string_view> handlers) {
  return Freezer(guest, native, handlers).freeze();
}

}  // namespace sudrun::abi
