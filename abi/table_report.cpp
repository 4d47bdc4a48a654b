// What can be said about a table besides freezing it: its handlers and the support page.
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

}  // namespace

std::string_view support_name(Support support) noexcept {
  switch (support) {
    case Support::full:
      return "full";
    case Support::partial:
      return "partial";
    default:
      return "none";
  }
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
