// Frozen block -> TableModel: what tables that extend another begin with, and what the tools show.
#include <algorithm>

#include "abi/role_text.hpp"
#include "abi/table_block.hpp"
#include "abi/table_freeze.hpp"

namespace sudrun::abi {

namespace {

using detail::kMaxNativeSignal;
using detail::kNoFlagSet;

constexpr int kMaxErrno = 4095;

using Names = std::vector<std::string>;

class Thaw {
 public:
  Thaw(const Table& table, const Table& native) : table_(table), native_(native) {}
  TableModel all();

 private:
  void identification();
  void errnos();
  void signals();
  void flag_set(unsigned index);
  NativeName native_value(const FlagValue& value, const std::string& name, const FlagSet& native_set) const;
  void structure(unsigned index);
  NativeName native_field(const Field& field, const std::string& name, const StructLayout& native) const;
  RoleModel role(const Role& role, const Names& names);
  void variant(const Role& role, const Names& names);
  void call(const Entry& entry);
  FutexModel futex(const Entry& entry, const CallModel& call) const;

  const Table& table_;
  const Table& native_;
  TableModel model_;
};

NativeName named(std::string_view native, std::string_view own) {
  if (native == own) return {};
  return {NativeName::Kind::other, std::string(native)};
}

TableModel Thaw::all() {
  identification();
  errnos();
  signals();
  for (unsigned i = 0; i < table_.flag_set_count(); ++i) flag_set(i);
  for (unsigned i = 0; i < table_.struct_count(); ++i) structure(i);
  for (const Entry& entry : table_.entries()) call(entry);
  for (const SysctlValue& value : table_.sysctls()) {
    const bool is_text = value.is_text != 0;
    model_.sysctls.push_back({std::string(table_.string(value.name)),
                              is_text,
                              is_text ? std::string(table_.string(value.text)) : std::to_string(value.number),
                              {}});
  }
  return std::move(model_);
}

void Thaw::identification() {
  model_.abi = table_.abi();
  model_.file = model_.abi;
  model_.title = table_.title();
  model_.personality = table_.personality();
  if (!table_.release().empty()) model_.source["release"] = table_.release();
  if (table_.osabi() >= 0) model_.osabi = table_.osabi();
  for (const NoteId& note : table_.notes())
    model_.notes.push_back({std::string(table_.string(note.name)), note.type});
  for (const std::uint32_t path : table_.interpreters())
    model_.interpreters.emplace_back(table_.string(path));
  model_.entry_code = table_.entry_code();
  model_.sysroot_hint = table_.sysroot_hint();
  for (const ReleaseId& release : table_.releases())
    model_.releases.push_back({std::string(table_.string(release.name)), release.number});
  model_.convention = table_.convention();
}

void Thaw::errnos() {
  // What a guest's error is natively nobody asks; what a native one is to the guest stands in the aliases.
  const bool identity = table_.abi() == native_.abi();
  for (int number = 1; number <= kMaxErrno; ++number) {
    const std::string_view name = table_.errno_name(number);
    if (name.empty()) continue;
    NativeName native;
    if (!identity) native.kind = NativeName::Kind::none;
    model_.errnos.push_back({std::string(name), number, std::move(native), {}});
  }
  for (int number = 1; number <= kMaxErrno && !identity; ++number) {
    const std::string_view name = native_.errno_name(number);
    if (name.empty()) continue;
    model_.errno_from_native.push_back(
        {std::string(name), std::string(table_.errno_name(table_.errno_to_guest(number))), {}});
  }
}

void Thaw::signals() {
  for (int number = 1; number <= table_.signal_limit(); ++number) {
    const std::string name(table_.signal_name(number));
    if (name.empty()) continue;
    const int native = table_.signal_to_native(number);
    SignalModel row{name, number, {NativeName::Kind::none, {}}, table_.signal_default(number), {}};
    // The nearest below that has a name: NAME, or NAME+N.
    int base = native;
    while (base > 0 && native_.signal_name(base).empty()) --base;
    if (native > 0 && native <= kMaxNativeSignal && base > 0) {
      std::string text(native_.signal_name(base));
      if (base != native) text += '+' + std::to_string(native - base);
      row.native = named(text, name);
    }
    model_.signals.push_back(std::move(row));
  }
}

NativeName Thaw::native_value(const FlagValue& value, const std::string& name,
                              const FlagSet& native_set) const {
  if (value.map == FlagValue::Map::drop) return {NativeName::Kind::none, {}};
  if (value.map == FlagValue::Map::refuse) return {NativeName::Kind::refuse, {}};
  std::string_view found;
  for (const FlagValue& native : native_set.values()) {
    if (native.guest != value.native || native.mask != value.native_mask) continue;
    if (found.empty() || native_set.value_name(native) == name) found = native_set.value_name(native);
  }
  return named(found, name);
}

void Thaw::flag_set(unsigned index) {
  const FlagSet set = table_.flag_set(index);
  FlagSetModel model;
  model.name = set.name();
  model.is_enum = set.is_enum();
  model.unknown = set.unknown();
  model.trace_only = table_.flag_set_record(index).trace_only != 0;
  const FlagSet native_set = native_.flag_set(set.name());
  for (const FlagValue& value : set.values()) {
    FlagValueModel row;
    row.name = set.value_name(value);
    row.value = value.guest;
    if (!set.is_enum() && value.mask != value.guest) row.field = value.mask;
    if (!model.trace_only) row.native = native_value(value, row.name, native_set);
    model.values.push_back(std::move(row));
  }
  model_.flags.push_back(std::move(model));
}

NativeName Thaw::native_field(const Field& field, const std::string& name, const StructLayout& native) const {
  if (!field.has_native) return {NativeName::Kind::none, {}};
  std::string_view found;
  for (const Field& other : native.fields()) {
    if (other.guest_offset != field.native_offset || other.guest_type != field.native_type ||
        other.count != field.native_count)
      continue;
    if (found.empty() || native.field_name(other) == name) found = native.field_name(other);
  }
  return named(found, name);
}

void Thaw::structure(unsigned index) {
  const StructLayout layout = table_.struct_layout(index);
  const std::string_view native_name = table_.string(table_.struct_record(index).native_name);
  const StructLayout native = native_.struct_layout(native_name);
  StructModel model;
  model.name = layout.name();
  model.size = layout.guest_size();
  model.native =
      native_name.empty() ? NativeName{NativeName::Kind::none, {}} : named(native_name, model.name);
  Names names;
  for (const Field& field : layout.fields()) names.emplace_back(layout.field_name(field));
  for (const Field& field : layout.fields()) {
    FieldModel row;
    row.name = layout.field_name(field);
    row.type = field.guest_type;
    row.count = field.count;
    row.offset = field.guest_offset;
    if (field.flagset != kNoFlagSet) row.flags = table_.flag_set(field.flagset).name();
    if (field.role.kind != RoleKind::none) row.role = role(field.role, names);
    if (!native_name.empty() && row.type != ScalarType::pad)
      row.native = native_field(field, row.name, native);
    model.fields.push_back(std::move(row));
  }
  model_.structs.push_back(std::move(model));
}

RoleModel Thaw::role(const Role& role, const Names& names) {
  RoleModel model;
  model.kind = role.kind;
  model.nullable = role.nullable;
  model.written = role.written;
  model.no_follow = role.kind == RoleKind::path && role.param == kNoFollow;
  if (role.kind == RoleKind::flags) model.type = table_.flag_set(role.param).name();
  if (has_type(role.kind)) {
    model.type = role.param >= kScalarParam ? scalar_type_names()[role.param - kScalarParam]
                                            : table_.struct_layout(role.param).name();
  }
  if (role.kind == RoleKind::variant) {
    model.type = table_.string(table_.variant_record(role).name);
    variant(role, names);
  }
  if (has_count(role.kind) || role.kind == RoleKind::variant) {
    const unsigned count = role.count;
    model.count = (count & kLiteralCount) != 0 ? std::to_string(count & ~unsigned{kLiteralCount})
                  : count < names.size()       ? names[count]
                                               : std::string();
  }
  return model;
}

/// One for all uses of the same name, made from the first: they differ only in where their arguments are.
void Thaw::variant(const Role& role, const Names& names) {
  const detail::VariantRecord& record = table_.variant_record(role);
  const std::string name(table_.string(record.name));
  for (const VariantModel& other : model_.variants)
    if (other.name == name) return;
  model_.variants.push_back({name, std::string(table_.string(record.by)), {}, {}});
  const std::size_t at = model_.variants.size() - 1;
  const FlagSet by = table_.flag_set(table_.string(record.by));
  std::vector<VariantModel::Case> cases;
  for (const detail::VariantCase& one : table_.cases(record)) {
    std::string value = std::to_string(one.value);
    if (one.otherwise) {
      value = "default";
    } else if (by) {
      for (const FlagValue& candidate : by.values())
        if (candidate.guest == one.value) value = by.value_name(candidate);
    } else if (record.by != 0) {
      value = table_.signal_name(static_cast<int>(one.value));
    }
    cases.push_back({value, this->role(one.role, names), {}});
  }
  model_.variants[at].cases = std::move(cases);
}

FutexModel Thaw::futex(const Entry& entry, const CallModel& call) const {
  FutexModel model;
  model.kind = entry.fast == FastKind::futex  ? FutexModel::Kind::operations
               : entry.fast == FastKind::wake ? FutexModel::Kind::wake
                                              : FutexModel::Kind::sleep;
  for (std::size_t i = 0; i < model.arg_keys().size(); ++i) model.args.push_back(call.args.at(i).name);
  model.longest = entry.futex_longest;
  model.differs = table_.errno_name(entry.futex_differs);
  model.late = table_.errno_name(entry.futex_late);
  model.fault = table_.errno_name(entry.futex_fault);
  if (model.kind != FutexModel::Kind::operations) return model;
  const FlagSet by = table_.flag_set(entry.args[1].param);
  const auto names = [&](std::uint32_t mask) {
    Names list;
    for (const FlagValue& value : by.values())
      if (value.guest < 32 && (mask >> value.guest & 1) != 0) list.emplace_back(by.value_name(value));
    return list;
  };
  model.wait = names(entry.futex_waits);
  model.wake = names(entry.futex_wakes);
  return model;
}

void Thaw::call(const Entry& entry) {
  CallModel call;
  call.number = entry.number;
  call.name = table_.string(entry.name);
  Names names;
  for (unsigned i = 0; i < entry.argc; ++i) names.emplace_back(table_.string(entry.arg_names[i]));
  for (unsigned i = 0; i < entry.argc; ++i) call.args.push_back({names[i], role(entry.args[i], names), {}});
  call.returns = role(entry.returns, names);
  call.action = entry.action;
  call.support = entry.support;
  call.note = table_.string(entry.note);
  call.interrupt_fails = entry.interrupt_fails;
  call.classes = static_cast<CallClasses>(entry.classes & ~classes_by_roles(entry));
  if (call.action == Action::native) {
    call.target = native_.string(native_.entry(entry.target).name);
    std::vector<NativeArg> args;
    bool as_they_are = entry.native_argc == entry.argc;
    for (unsigned i = 0; i < entry.native_argc; ++i) {
      const std::uint8_t source = entry.native_args[i];
      as_they_are = as_they_are && source == i;
      if ((source & 0x80) != 0) {
        args.emplace_back(table_.constant(source & 0x7fU));
      } else {
        args.emplace_back(names.at(source));
      }
    }
    if (!as_they_are) call.native_args = std::move(args);
  }
  if (call.action == Action::handler) call.target = table_.string(table_.handler_names()[entry.target]);
  if (call.action == Action::error) call.target = table_.errno_name(entry.target);
  const bool is_futex =
      entry.fast == FastKind::futex || entry.fast == FastKind::sleep || entry.fast == FastKind::wake;
  if (is_futex) call.futex = futex(entry, call);
  model_.calls.push_back(std::move(call));
}

}  // namespace

TableModel thaw(const Table& table, const Table& native) { return Thaw(table, native).all(); }

}  // namespace sudrun::abi
