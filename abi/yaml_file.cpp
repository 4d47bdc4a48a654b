#include "abi/yaml_file.hpp"

#include <yaml-cpp/depthguard.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "abi/json_writer.hpp"
#include "abi/problems.hpp"

namespace sudrun::abi {

namespace {

/// Ours are a twentieth of it, or, written out as JSON, a fifth.
constexpr std::size_t kMaxFile = std::size_t{4} << 20;

bool is_wrong(char c) noexcept { return is_control(c) && c != '\n' && c != '\r' && c != '\t'; }

/// Position of the byte `at`.
Where where_of(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return {1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')),
          1 + static_cast<int>(at - line_start)};
}

/// The parser takes whatever comes, ends at an EOT, and says little of what a binary file looks like to it.
void check_text(std::string_view text, const std::string& file) {
  const std::size_t good = utf8_length(text);
  const std::string_view part = text.substr(0, good);
  const auto control = std::find_if(part.begin(), part.end(), is_wrong);
  if (good == text.size() && control == part.end()) return;
  throw TableError(file, where_of(text, static_cast<std::size_t>(control - part.begin())),
                   "is not text here; expected a table file: YAML in UTF-8");
}

}  // namespace

std::string read_whole(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const std::string why = errno == 0 ? "" : std::string(": ") + std::strerror(errno);
    throw TableError(path, {}, "cannot be opened" + why + "; expected a table file");
  }
  std::string text(kMaxFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw TableError(path, {}, "cannot be read; expected a table file");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFile) throw TableError(path, {}, "is too large for a table; expected at most 4 MiB");
  return text;
}

YAML::Node parse_yaml(std::string_view text, const std::string& file) {
  check_text(text, file);
  const auto at = [](const YAML::Mark& mark) {
    return mark.is_null() ? Where{} : Where{mark.line + 1, mark.column + 1};
  };
  std::vector<YAML::Node> documents;
  try {
    documents = YAML::LoadAll(std::string(text));
  } catch (const YAML::DeepRecursion& error) {
    throw TableError(file, at(error.mark), "is nested too deeply; expected rows and what a row holds");
  } catch (const YAML::Exception& error) {
    throw TableError(file, at(error.mark),
                     "not valid YAML: " + error.msg + "; see docs/table-format.md for the format");
  }
  if (documents.empty()) return {};
  if (documents.size() > 1) {
    throw TableError(file, at(documents[1].Mark()),
                     "a second document begins here; expected one, without `---` inside");
  }
  return documents.front();
}

}  // namespace sudrun::abi
