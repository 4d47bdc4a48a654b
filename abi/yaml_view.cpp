#include "abi/yaml_view.hpp"

#include <algorithm>
#include <charconv>

namespace sudrun::abi {

namespace {

Where where_of(const YAML::Node& node, Where otherwise) {
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? otherwise : Where{mark.line + 1, mark.column + 1};
}

std::string joined(std::initializer_list<std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<Integer> parse_integer(std::string_view text) noexcept {
  Integer result;
  if (text.starts_with('-')) {
    result.negative = true;
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) base = 16;
  if (text.starts_with("0o")) base = 8;
  if (base != 10) text.remove_prefix(2);
  // A leading zero means octal to some and nothing to others.
  if (text.empty() || (base == 10 && text.size() > 1 && text.front() == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result.magnitude, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return result;
}

bool is_identifier(std::string_view text) noexcept {
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

YamlMap YamlValue::map() const {
  if (!node_.IsMap()) fail("`" + name_ + "` is not a mapping; expected `key: value` pairs");
  std::vector<YamlMap::Item> items;
  for (const auto& pair : node_) {
    const Where at = where_of(pair.first, where_);
    if (!pair.first.IsScalar()) throw TableError(*file_, at, "a key of `" + name_ + "` is not a plain word");
    const std::string key = pair.first.Scalar();
    const auto same = std::find_if(items.begin(), items.end(),
                                   [&](const YamlMap::Item& item) { return item.key.name() == key; });
    if (same != items.end()) {
      throw TableError(*file_, at,
                       "`" + key + "` is there twice in `" + name_ + "`; the first is in line " +
                           std::to_string(same->key.where().line));
    }
    items.push_back({YamlValue(*file_, pair.first, key, at),
                     YamlValue(*file_, pair.second, key, where_of(pair.second, at))});
  }
  return {*this, std::move(items)};
}

std::vector<YamlValue> YamlValue::list() const {
  if (!node_.IsSequence()) fail("`" + name_ + "` is not a list; expected `[…]`");
  std::vector<YamlValue> values;
  for (std::size_t i = 0; i < node_.size(); ++i) {
    const YAML::Node node = node_[i];
    values.emplace_back(*file_, node, name_, where_of(node, where_));
  }
  return values;
}

std::string YamlValue::text() const {
  if (!node_.IsScalar() || node_.Scalar().empty())
    fail("`" + name_ + "` has no text; expected a word or a string");
  return node_.Scalar();
}

std::string YamlValue::text_or_empty() const {
  return node_.IsScalar() && node_.Scalar().empty() ? std::string() : text();
}

std::string YamlValue::identifier() const {
  std::string name = text();
  if (!is_identifier(name)) fail("`" + name + "` is not a name; expected letters, digits and underscores");
  return name;
}

bool YamlValue::boolean() const { return choice({"false", "true"}) == 1; }

std::int64_t YamlValue::integer(std::int64_t min, std::int64_t max) const {
  const std::string digits = text();
  const auto number = is_quoted() ? std::nullopt : parse_integer(digits);
  if (!number) fail("`" + digits + "` is not a number; expected a decimal, 0x… or 0o… integer");
  const std::uint64_t limit = std::uint64_t{1} << 63;
  const bool representable = number->magnitude < limit;
  const auto value = static_cast<std::int64_t>(number->magnitude) * (number->negative ? -1 : 1);
  if (!representable || value < min || value > max) {
    fail("`" + digits + "` is out of range for `" + name_ + "`; expected " + std::to_string(min) + " to " +
         std::to_string(max));
  }
  return value;
}

std::uint64_t YamlValue::word() const {
  const std::string digits = text();
  const auto number = is_quoted() ? std::nullopt : parse_integer(digits);
  if (!number) fail("`" + digits + "` is not a number; expected a decimal, 0x… or 0o… integer");
  return number->negative ? std::uint64_t{0} - number->magnitude : number->magnitude;
}

std::size_t YamlValue::choice(std::initializer_list<std::string_view> choices) const {
  const std::string word = text();
  const auto found = std::find(choices.begin(), choices.end(), word);
  if (found == choices.end())
    fail("`" + word + "` is not a value of `" + name_ + "`; expected one of " + joined(choices));
  return static_cast<std::size_t>(found - choices.begin());
}

const YamlValue* YamlMap::find(std::string_view key) const& {
  for (const Item& item : items_) {
    if (item.key.name() == key) return &item.value;
  }
  return nullptr;
}

const YamlValue& YamlMap::require(std::string_view key) const& {
  if (const YamlValue* const value = find(key)) return *value;
  self_.fail("`" + self_.name() + "` has no `" + std::string(key) + "`; the key is required");
}

void YamlMap::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const Item& item : items_) {
    if (std::find(keys.begin(), keys.end(), item.key.name()) == keys.end())
      item.key.fail("unknown key `" + item.key.name() + "` in `" + self_.name() + "`; expected one of " +
                    joined(keys));
  }
}

}  // namespace sudrun::abi
