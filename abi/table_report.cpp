// What can be said about a table besides freezing it: its handlers, the support page, and the way back from a
// block.
#include <algorithm>
#include <set>

#include "abi/personality.hpp"
#include "abi/table_freeze.hpp"

namespace sudrun::abi {

namespace {

std::string how(const CallModel& call) {
  switch (call.action) {
    case Action::native:
      return call.target == call.name ? "native" : "native `" + call.target + "`";
    case Action::handler:
      return "handler";
    case Action::error:
      return "always `" + call.target + "`";
    default:
      return "—";
  }
}

std::string_view support_name(Support support) {
  switch (support) {
    case Support::full:
      return "full";
    case Support::partial:
      return "partial";
    default:
      return "none";
  }
}

/// Text of a cell of a Markdown table.
std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  while (escaped.ends_with(' ')) escaped.pop_back();
  return escaped;
}

FlagSetModel flag_set_model(const FlagSet& set) {
  FlagSetModel model;
  model.name = set.name();
  model.is_enum = set.is_enum();
  for (const FlagValue& value : set.values()) {
    FlagValueModel row;
    row.name = set.value_name(value);
    row.value = value.guest;
    if (!set.is_enum() && value.mask != value.guest) row.field = value.mask;
    model.values.push_back(std::move(row));
  }
  return model;
}

StructModel struct_model(const Table& table, const StructLayout& layout) {
  StructModel model;
  model.name = layout.name();
  model.size = layout.guest_size();
  for (const Field& field : layout.fields()) {
    FieldModel row;
    row.name = layout.field_name(field);
    row.type = field.guest_type;
    row.count = field.count;
    row.offset = field.guest_offset;
    if (field.flagset != 0xffff) row.flags = table.flag_set(field.flagset).name();
    model.fields.push_back(std::move(row));
  }
  return model;
}

}  // namespace

TableModel native_model(const Table& native) {
  TableModel model;
  model.abi = native.abi();
  model.file = model.abi;
  model.title = native.title();
  model.personality = native.personality();
  model.convention = native.convention();
  for (int number = 1; number <= 4095; ++number) {
    const std::string_view name = native.errno_name(number);
    if (!name.empty()) model.errnos.push_back({std::string(name), number, {}, {}});
  }
  for (int number = 1; number <= native.signal_limit(); ++number) {
    const std::string_view name = native.signal_name(number);
    if (!name.empty()) model.signals.push_back({std::string(name), number, {}, SignalDefault::as_native, {}});
  }
  for (unsigned i = 0; i < native.flag_set_count(); ++i)
    model.flags.push_back(flag_set_model(native.flag_set(i)));
  for (unsigned i = 0; i < native.struct_count(); ++i)
    model.structs.push_back(struct_model(native, native.struct_layout(i)));
  for (const Entry& entry : native.entries()) {
    CallModel call;
    call.number = entry.number;
    call.name = native.string(entry.name);
    for (unsigned i = 0; i < entry.argc; ++i) {
      ArgModel arg;
      arg.name = native.string(entry.arg_names[i]);
      arg.role.kind = entry.args[i].kind;
      call.args.push_back(std::move(arg));
    }
    model.calls.push_back(std::move(call));
  }
  return model;
}

std::vector<std::string_view> handler_names(std::string_view personality) {
  std::vector<std::string_view> names;
  for (const HandlerEntry& entry : handlers_of(personality)) names.push_back(entry.name);
  return names;
}

std::vector<std::string_view> unused_handlers(const TableModel& model,
                                              std::span<const std::string_view> handlers) {
  std::set<std::string_view> unused(handlers.begin(), handlers.end());
  for (const CallModel& call : model.calls) {
    if (call.action == Action::handler) unused.erase(call.target);
  }
  return {unused.begin(), unused.end()};
}

std::string support_page(const TableModel& model) {
  const auto count = [&](Support support) {
    return std::to_string(std::count_if(model.calls.begin(), model.calls.end(),
                                        [&](const CallModel& call) { return call.support == support; }));
  };
  std::string page = "# " + model.title + "\n\n";
  page += "Calls of `" + model.abi + "`: " + count(Support::full) + " full, " + count(Support::partial) +
          " partial, " + count(Support::none) + " none. Generated from the table; do not edit.\n\n";
  page += "| number | name | support | how | note |\n|---:|---|---|---|---|\n";
  for (const CallModel& call : model.calls) {
    page += "| " + std::to_string(call.number) + " | `" + call.name + "` | ";
    page += support_name(call.support);
    page += " | " + how(call) + " | " + cell(call.note) + " |\n";
  }
  return page;
}

}  // namespace sudrun::abi
