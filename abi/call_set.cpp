#include "abi/call_set.hpp"

#include <algorithm>

#include "abi/spelling.hpp"

namespace sudrun::abi {
namespace {

constexpr std::string_view kAll = "all";

/// One item of a list, taken apart.
struct Item {
  bool out = false;       ///< `!`
  bool may_lack = false;  ///< `?`
  bool is_class = false;  ///< `%`
  std::string_view name;
};

Item item_of(std::string_view text) {
  Item item;
  const auto take = [&](char mark) {
    const bool there = text.starts_with(mark);
    if (there) text.remove_prefix(1);
    return there;
  };
  item.out = take('!');
  item.may_lack = take('?');
  item.is_class = take('%');
  item.name = text;
  return item;
}

/// Calls `use` for each part of a list.
template <typename Use>
void for_each_item(std::string_view list, Use&& use) {
  for (;;) {
    const std::size_t comma = list.find(',');
    use(item_of(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

[[noreturn]] void unknown(const Item& item, const Table& table) {
  std::vector<std::string_view> names(kCallClassNames.begin(), kCallClassNames.end());
  if (!item.is_class)
    for (const Entry& entry : table.entries()) names.push_back(table.string(entry.name));
  std::string classes;
  for (const std::string_view name : kCallClassNames) classes += ", " + std::string(name);
  throw OptionError("`" + std::string(item.name) + "` is no call of " + std::string(table.abi()) +
                    " and no class of calls" +
                    did_you_mean(item.name, names, "the name of a call, or one of all" + classes));
}

}  // namespace

CallSet::CallSet(const Table& table, bool all)
    : first_(table.entries().data()), members_(table.entries().size(), all), others_(all) {}

bool CallSet::empty() const noexcept {
  return !others_ && std::none_of(members_.begin(), members_.end(), [](bool member) { return member; });
}

void CallSet::set_all(bool member) noexcept {
  members_.assign(members_.size(), member);  // of the same size: takes no memory
  others_ = member;
}

CallSet parse_calls(std::string_view text, const Table& table) {
  bool adds = false;
  for_each_item(text, [&](const Item& item) {
    if (item.name.empty())
      throw OptionError("`" + std::string(text) + "` has an empty place in its list of calls");
    adds |= !item.out;
  });
  CallSet set(table, !adds);
  // What is taken out stays out, wherever it stands in the list.
  for (const bool out : {false, true}) {
    for_each_item(text, [&](const Item& item) {
      if (item.out != out) return;
      if (item.name == kAll) return set.set_all(!out);
      const auto one = call_class(item.name);
      bool found = one.has_value();
      const auto entries = table.entries();
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const bool member = one ? (entries[i].classes & class_bit(*one)) != 0
                                : !item.is_class && table.string(entries[i].name) == item.name;
        if (!member) continue;
        found = true;
        set.set(i, !out);
      }
      if (!found && !item.may_lack) unknown(item, table);
    });
  }
  return set;
}

std::string tolerant_calls(std::string_view text) {
  std::string out;
  for_each_item(text, [&](const Item& item) {
    out += out.empty() ? "" : ",";
    out += item.out ? "!?" : "?";
    out += (item.is_class ? "%" : "") + std::string(item.name);
  });
  return out;
}

}  // namespace sudrun::abi
