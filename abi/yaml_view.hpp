// Strict access to YAML: every step checks type and spelling and fails with a position. Used by the table
// reader.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "abi/table_model.hpp"

namespace sudrun::abi {

class YamlMap;

/// A node with the file it comes from and a name to call it in messages.
class YamlValue {
 public:
  YamlValue(const std::string& file, const YAML::Node& node, std::string name, Where where)
      : file_(&file), node_(node), name_(std::move(name)), where_(where) {}

  const std::string& name() const noexcept { return name_; }
  const std::string& file() const noexcept { return *file_; }
  Where where() const noexcept { return where_; }
  bool is_map() const { return node_.IsMap(); }
  bool is_list() const { return node_.IsSequence(); }
  bool is_scalar() const { return node_.IsScalar(); }
  bool is_quoted() const { return node_.Tag() == "!"; }

  /// All of these throw TableError if the value is something else.
  YamlMap map() const;
  std::vector<YamlValue> list() const;
  std::string text() const;  ///< any scalar that is not empty
  std::string text_or_empty() const;
  std::string identifier() const;  ///< letters, digits, underscores
  bool boolean() const;            ///< true | false
  std::int64_t integer(std::int64_t min, std::int64_t max) const;
  std::uint64_t word() const;  ///< 64 bits; negative numbers in two's complement
  /// Index in `choices` of the text.
  std::size_t choice(std::initializer_list<std::string_view> choices) const;
  [[noreturn]] void fail(const std::string& message) const { throw TableError(*file_, where_, message); }

 private:
  const std::string* file_;
  YAML::Node node_;
  std::string name_;
  Where where_;
};

/// A mapping with scalar keys, in the file's order, without duplicates. An item's where() is that of its
/// value.
class YamlMap {
 public:
  struct Item {
    YamlValue key;
    YamlValue value;
  };
  YamlMap(YamlValue self, std::vector<Item> items) : self_(std::move(self)), items_(std::move(items)) {}

  const std::vector<Item>& items() const& noexcept { return items_; }
  std::vector<Item> items() && noexcept {
    return std::move(items_);
  }  // so that a loop can run over map().items()
  const YamlValue* find(std::string_view key) const&;
  const YamlValue& require(std::string_view key) const&;
  const YamlValue& require(std::string_view key) && = delete;
  const YamlValue* find(std::string_view key) && = delete;
  /// Refuses every key that is not listed.
  void allow_only(std::initializer_list<std::string_view> keys) const;

 private:
  YamlValue self_;
  std::vector<Item> items_;
};

/// Integer as tables write it: decimal, 0x…, 0o…, with an optional minus sign. Nothing if it is not one.
struct Integer {
  bool negative = false;
  std::uint64_t magnitude = 0;
};
std::optional<Integer> parse_integer(std::string_view text) noexcept;
bool is_identifier(std::string_view text) noexcept;

}  // namespace sudrun::abi
