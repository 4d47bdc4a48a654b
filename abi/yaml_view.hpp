// Strict access to YAML: every step checks type and spelling by the description of keys (abi/table_keys.hpp)
// and fails with a position.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "abi/problems.hpp"
#include "abi/table_keys.hpp"

namespace sudrun::abi {

/// Integer as tables write it: decimal, 0x…, 0o…, with an optional minus sign. Nothing if it is not one.
struct Integer {
  bool negative = false;
  std::uint64_t magnitude = 0;
};
std::optional<Integer> parse_integer(std::string_view text) noexcept;

class YamlMap;

/// A file and what is wrong with it.
struct YamlSource {
  std::string file;
  Problems& problems;
};

/// A node with a name to call it in messages, and what it is to be.
class YamlValue {
 public:
  YamlValue(const YamlSource& source, const YAML::Node& node, std::string name, Where where,
            const KeySpec& spec, bool is_element = false)
      : source_(&source),
        node_(node),
        name_(std::move(name)),
        where_(where),
        spec_(&spec),
        is_element_(is_element) {}

  const std::string& name() const noexcept { return name_; }
  Where where() const noexcept { return where_; }
  bool is_map() const { return node_.IsMap(); }
  bool is_list() const { return node_.IsSequence(); }
  bool is_scalar() const { return node_.IsScalar(); }
  bool is_quoted() const { return node_.Tag() == "!"; }

  /// All of these throw TableError if the value is something else. Limits and choices are the description's.
  /// map() also says which keys are unknown and which are missing, the latter not if `partial`.
  YamlMap map(bool partial = false) const;
  std::vector<YamlValue> list() const;
  std::string text() const;           ///< one line that is not empty
  std::string text_or_empty() const;  ///< any scalar
  std::string identifier() const;     ///< letters, digits, underscores
  bool boolean() const;               ///< true | false
  std::int64_t integer() const { return integer(spec_->min, spec_->max); }
  std::int64_t integer(std::int64_t min, std::int64_t max) const;
  std::uint64_t word() const;  ///< 64 bits; negative numbers in two's complement
  /// Index of the text among the choices.
  std::size_t choice() const;
  [[noreturn]] void fail(const std::string& message) const {
    throw TableError(source_->file, where_, message);
  }
  /// Problems::attempt() of the file's.
  template <typename Step>
  bool attempt(Step&& step) const {
    return source_->problems.attempt(step);
  }
  /// As fail(), but the caller goes on.
  void tell(const std::string& message) const { source_->problems.add({source_->file, where_, message}); }

 private:
  Integer number() const;

  const YamlSource* source_;
  YAML::Node node_;
  std::string name_;
  Where where_;
  const KeySpec* spec_;
  bool is_element_;
};

/// A mapping with scalar keys, in the file's order, without duplicates. An item's where() is that of its
/// value.
class YamlMap {
 public:
  struct Item {
    YamlValue key;
    YamlValue value;
  };
  /// What has been told of its keys.
  struct Told {
    std::vector<std::string_view> missing;
    bool unknown = false;
    bool misspelt = false;  ///< an unknown one is like one that is not there
  };
  YamlMap(YamlValue self, std::vector<Item> items, Told told, std::size_t kind = 0)
      : self_(std::move(self)), items_(std::move(items)), told_(std::move(told)), kind_(kind) {}

  const std::vector<Item>& items() const& noexcept { return items_; }
  std::vector<Item> items() && noexcept {
    return std::move(items_);
  }  // so that a loop can run over map().items()
  const Told& told() const noexcept { return told_; }
  /// Index among the kinds of the description.
  std::size_t kind() const noexcept { return kind_; }
  const YamlValue* find(std::string_view key) const&;
  const YamlValue& require(std::string_view key) const&;
  const YamlValue& require(std::string_view key) && = delete;
  const YamlValue* find(std::string_view key) && = delete;

 private:
  YamlValue self_;
  std::vector<Item> items_;
  Told told_;
  std::size_t kind_;
};

bool is_identifier(std::string_view text) noexcept;
/// Identifiers with dots between: a field of a nested structure, `outer.inner`.
bool is_path_of_identifiers(std::string_view text) noexcept;

}  // namespace sudrun::abi
