#include "abi/yaml_view.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <span>

#include "abi/spelling.hpp"

namespace sudrun::abi {

namespace {

Where where_of(const YAML::Node& node, Where otherwise) {
  const YAML::Mark mark = node.Mark();
  // That of a value that is not there is where the parser found so, which is lines below.
  return mark.is_null() || node.IsNull() ? otherwise : Where{mark.line + 1, mark.column + 1};
}

std::string joined(std::span<const std::string_view> words, const char* quote = "") {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += ", ";
    text.append(quote).append(word).append(quote);
  }
  return text;
}

// More rows than there can be calls.
constexpr std::size_t kMaxItems = 65536;

// A row's own key, and the elements of lists: what they hold is checked by whoever reads them.
constexpr KeySpec kKey{};

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

bool is_path_of_identifiers(std::string_view text) noexcept {
  const std::size_t dot = text.find('.');
  if (!is_identifier(text.substr(0, dot))) return false;
  return dot == std::string_view::npos || is_path_of_identifiers(text.substr(dot + 1));
}

YamlMap YamlValue::map(bool partial) const {
  const bool is_rows = spec_->shape == Shape::rows && !is_element_;
  const MapSpec* spec = is_rows ? nullptr : spec_->map;
  if (node_.IsScalar() && spec != nullptr && !spec->plain.empty()) {
    const auto plain = std::find_if(spec->keys.begin(), spec->keys.end(),
                                    [&](const KeySpec& key) { return key.name == spec->plain; });
    return {*this,
            {{YamlValue(*source_, node_, std::string(spec->plain), where_, kKey),
              YamlValue(*source_, node_, name_, where_, *plain)}},
            {}};
  }
  if (!node_.IsMap()) fail("`" + name_ + "` is not a mapping; expected `key: value` pairs");
  std::size_t kind = 0;
  if (spec != nullptr && !spec->kinds.empty()) {
    const auto is = [&](const MapKind& one) { return one.mark.empty() || node_[std::string(one.mark)]; };
    const auto found = std::find_if(spec->kinds.begin(), spec->kinds.end(), is);
    kind = static_cast<std::size_t>(found - spec->kinds.begin());
    spec = found->map;
  }

  if (node_.size() > kMaxItems)
    fail("`" + name_ + "` has " + std::to_string(node_.size()) + " keys; expected at most " +
         std::to_string(kMaxItems));
  std::vector<YamlMap::Item> items;
  std::map<std::string, int> lines;  // of the keys that are there
  std::vector<YamlValue> unknown;
  for (const auto& pair : node_) {
    const Where at = where_of(pair.first, where_);
    if (!pair.first.IsScalar())
      throw TableError(source_->file, at, "a key of `" + name_ + "` is not a plain word");
    const std::string name = YamlValue(*source_, pair.first, "a key of " + name_, at, kKey).text();
    const YamlValue key(*source_, pair.first, name, at, kKey);
    if (const auto [same, is_new] = lines.try_emplace(name, at.line); !is_new) {
      key.tell("`" + name + "` is there twice in `" + name_ + "`; the first is in line " +
               std::to_string(same->second));
      continue;
    }
    const KeySpec* value_spec = spec_;
    if (spec != nullptr) {
      const auto known = std::find_if(spec->keys.begin(), spec->keys.end(),
                                      [&](const KeySpec& one) { return one.name == name; });
      if (known == spec->keys.end()) {
        unknown.push_back(key);
        continue;
      }
      value_spec = &*known;
    }
    items.push_back({key, YamlValue(*source_, pair.second, name, where_of(pair.second, at), *value_spec,
                                    spec == nullptr)});
  }
  if (spec == nullptr) return {*this, std::move(items), {}};

  YamlMap::Told told;
  told.unknown = !unknown.empty();
  std::vector<std::string_view> absent;
  for (const KeySpec& key : spec->keys) {
    if (lines.contains(std::string(key.name))) continue;
    absent.push_back(key.name);
    if (key.required && !partial) told.missing.push_back(key.name);
  }
  std::vector<std::string_view> to_tell = told.missing;
  for (const YamlValue& key : unknown) {
    const std::vector<std::string_view> names = names_of(spec->keys);
    // What is there already is seldom meant.
    const std::string& word = key.name();
    const std::string hint = did_you_mean(word, absent, "one of " + joined(names));
    key.tell("unknown key `" + word + "` in `" + name_ + "`" + hint);
    told.misspelt = told.misspelt || hint.ends_with('?');
    std::erase_if(to_tell, [&](std::string_view name) {
      return hint == "; did you mean `" + std::string(name) + "`?";
    });
  }
  if (to_tell.size() == 1)
    tell("`" + name_ + "` has no `" + std::string(to_tell.front()) + "`; the key is required");
  if (to_tell.size() > 1) tell("`" + name_ + "` has no " + joined(to_tell, "`") + "; the keys are required");
  return {*this, std::move(items), std::move(told), kind};
}

std::vector<YamlValue> YamlValue::list() const {
  if (!node_.IsSequence()) fail("`" + name_ + "` is not a list; expected `[…]`");
  std::vector<YamlValue> values;
  for (std::size_t i = 0; i < node_.size(); ++i) {
    const YAML::Node node = node_[i];
    values.emplace_back(*source_, node, name_, where_of(node, where_), *spec_, true);
  }
  return values;
}

std::string YamlValue::text() const {
  if (node_.IsMap() || node_.IsSequence())
    fail("`" + name_ + "` is a " + (node_.IsMap() ? "mapping" : "list") + "; expected a word or a string");
  if (!node_.IsScalar() || node_.Scalar().empty())
    fail("`" + name_ + "` has no text; expected a word or a string");
  std::string text = node_.Scalar();
  while (text.ends_with('\n')) text.pop_back();  // of `|` and `>`
  if (std::any_of(text.begin(), text.end(), is_control))
    fail("`" + name_ + "` has a control character in it; expected one line of text");
  return text;
}

std::string YamlValue::text_or_empty() const {
  if (!node_.IsScalar()) text();
  return node_.Scalar();
}

std::string YamlValue::identifier() const {
  std::string name = text();
  if (!is_identifier(name)) fail("`" + name + "` is not a name; expected letters, digits and underscores");
  return name;
}

bool YamlValue::boolean() const {
  const std::string word = text();
  if (word != "false" && word != "true")
    fail("`" + word + "` is not a value of `" + name_ + "`; expected one of false, true");
  return word == "true";
}

Integer YamlValue::number() const {
  const std::string digits = text();
  const auto written = parse_integer(digits);
  if (!written) fail("`" + digits + "` is not a number; expected a decimal, 0x… or 0o… integer");
  // JSON quotes its keys.
  if (is_quoted() && spec_ != &kKey)
    fail("`" + digits + "` is a text for its quotes; expected a number without");
  return *written;
}

std::int64_t YamlValue::integer(std::int64_t min, std::int64_t max) const {
  const Integer written = number();
  const std::uint64_t limit = std::uint64_t{1} << 63;
  const bool representable = written.magnitude < limit;
  const auto value = static_cast<std::int64_t>(written.magnitude) * (written.negative ? -1 : 1);
  if (!representable || value < min || value > max) {
    fail("`" + text() + "` is out of range for `" + name_ + "`; expected " + std::to_string(min) + " to " +
         std::to_string(max));
  }
  return value;
}

std::uint64_t YamlValue::word() const {
  const Integer written = number();
  return written.negative ? std::uint64_t{0} - written.magnitude : written.magnitude;
}

std::size_t YamlValue::choice() const {
  const std::string word = text();
  const auto found = std::find(spec_->choices.begin(), spec_->choices.end(), word);
  if (found == spec_->choices.end())
    fail("`" + word + "` is not a value of `" + name_ + "`" +
         did_you_mean(word, spec_->choices, "one of " + joined(spec_->choices)));
  return static_cast<std::size_t>(found - spec_->choices.begin());
}

const YamlValue* YamlMap::find(std::string_view key) const& {
  for (const Item& item : items_) {
    if (item.key.name() == key) return &item.value;
  }
  return nullptr;
}

const YamlValue& YamlMap::require(std::string_view key) const& {
  if (const YamlValue* const value = find(key)) return *value;
  if (std::find(told_.missing.begin(), told_.missing.end(), key) != told_.missing.end()) throw ToldAlready();
  self_.fail("`" + self_.name() + "` has no `" + std::string(key) + "`; the key is required");
}

}  // namespace sudrun::abi
