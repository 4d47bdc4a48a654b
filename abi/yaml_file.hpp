// A table file's bytes, and the YAML in them.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <string_view>

namespace sudrun::abi {

/// All of a file. Throws TableError if it cannot be read, or is larger than any table.
std::string read_whole(const std::string& path);

/// The one document in `text`. Throws TableError if it is not text, not YAML or not one document; `file` is
/// the name for messages.
YAML::Node parse_yaml(std::string_view text, const std::string& file);

}  // namespace sudrun::abi
