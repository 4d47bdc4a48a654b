#include "abi/table_files.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "abi/builtin.hpp"
#include "abi/personality.hpp"
#include "abi/spelling.hpp"
#include "abi/table_freeze.hpp"
#include "abi/table_reader.hpp"

namespace sudrun::abi {

namespace {

constexpr std::size_t kMaxChain = 8;  // of files that extend each other

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

template <typename Use>
void each_part(const std::string& list, Use&& use) {
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    if (end != at) use(list.substr(at, end - at));
    at = end + 1;
  }
}

std::string default_dirs() {
  std::string dirs = variable("XDG_CONFIG_HOME");
  if (const std::string home = variable("HOME"); dirs.empty() && !home.empty()) dirs = home + "/.config";
  const std::string system = variable("XDG_CONFIG_DIRS");
  dirs += ":" + (system.empty() ? "/etc/xdg" : system);
  std::string all;
  each_part(dirs, [&](const std::string& dir) {
    if (dir.starts_with('/')) all += (all.empty() ? "" : ":") + dir + "/sudrun/tables";
  });
  return all;
}

/// True if there is something at `path` that can be read as a file.
bool exists(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  return std::filesystem::exists(status) && !std::filesystem::is_directory(status);
}

bool same(const std::string& a, const std::string& b) {
  std::error_code error;
  return std::filesystem::equivalent(a, b, error);
}

/// Where a table of this name is looked for.
std::string places(const std::string& name, const TablePath& path) {
  return name.find('/') == std::string::npos ? ", here or in " + path.text() : std::string();
}

std::string no_table(const std::string& name, const TablePath& path) {
  return "there is no table `" + name + "`" +
         did_you_mean(name, builtin_abis(),
                      "a built-in one (sudrun --list-abis) or a file" + places(name, path));
}

Table native_table() { return *builtin_table("linux-amd64"); }

class Loader {
 public:
  explicit Loader(const TablePath& path) : path_(path) {}

  LoadedTable load(const std::string& file) {
    files_.push_back(file);
    TableModel model;
    Problems problems;
    const bool whole = read_table(file, find_base(), model, problems);
    return finish(whole, model, problems);
  }

  LoadedTable parse(std::string_view text, const std::string& name) {
    files_.push_back(name);
    TableModel model;
    Problems problems;
    const bool whole = parse_table(text, name, find_base(), model, problems);
    return finish(whole, model, problems);
  }

 private:
  FindBase find_base() {
    return [this](const std::string& name, const std::string& from) { return base(name, from); };
  }

  static LoadedTable finish(bool whole, const TableModel& model, Problems& problems) {
    LoadedTable loaded;
    if (whole) problems.attempt([&] { loaded.block = frozen(model); });
    problems.throw_if_any();
    const auto table = Table::wrap(loaded.block);
    if (!table) throw TableError(model.file, {}, "freezes into a block that cannot be read");
    loaded.table = *table;
    return loaded;
  }

  static std::vector<std::byte> frozen(const TableModel& model) {
    const auto handlers = handler_names(model.personality);
    if (make_personality(model.personality) == nullptr)
      throw TableError(
          model.file, model.personality_where,
          "the personality `" + model.personality + "` is not built in; expected " + personality_names());
    return freeze(model, thaw(native_table(), native_table()), handlers);
  }

  TableModel base(const std::string& name, const std::string& from) {
    if (const auto table = builtin_table(name)) return thaw(*table, native_table());
    const std::string beside = (std::filesystem::path(from).parent_path() / name).string();
    const std::string file = exists(beside) ? beside : path_.find(name);
    if (file.empty()) throw TableError(from, {}, no_table(name, path_));
    if (std::any_of(files_.begin(), files_.end(),
                    [&](const std::string& other) { return same(file, other); }))
      throw TableError(from, {}, "`" + name + "` extends itself in the end; expected a table that does not");
    if (files_.size() == kMaxChain)
      throw TableError(from, {}, "the ninth file of a chain; expected at most 8 that extend each other");
    return table_model(load(file));
  }

  const TablePath& path_;
  std::vector<std::string> files_;
};

}  // namespace

TablePath::TablePath(const std::string& dirs) : text_(dirs) {
  if (text_.empty()) text_ = variable("SUDRUN_TABLE_PATH");
  if (text_.empty()) text_ = default_dirs();
}

std::string TablePath::find(const std::string& name) const {
  if (exists(name)) return name;
  std::string found;
  if (name.empty() || name.find('/') != std::string::npos) return found;
  each_part(text_, [&](const std::string& dir) {
    for (const char* const end : {"", ".yaml"})
      if (const std::string file = dir + "/" + name + end; found.empty() && exists(file)) found = file;
  });
  return found;
}

LoadedTable load_table_file(const std::string& name, const TablePath& path) {
  const std::string file = path.find(name);
  if (!file.empty()) return Loader(path).load(file);
  if (builtin_table(name)) throw TableError(name, {}, "is a built-in table; expected a file");
  std::error_code error;
  if (std::filesystem::is_directory(name, error))
    throw TableError(name, {}, "is a directory; expected a table file");
  throw TableError(name, {}, "there is no such file; expected one" + places(name, path));
}

LoadedTable load_table_text(std::string_view text, const std::string& name, const TablePath& path) {
  return Loader(path).parse(text, name);
}

LoadedTable load_table(const std::string& name, const TablePath& path) {
  if (const auto table = builtin_table(name)) return {{}, *table};
  std::error_code error;
  if (path.find(name).empty() && !std::filesystem::is_directory(name, error))
    throw TableError(name, {}, no_table(name, path));
  return load_table_file(name, path);
}

TableModel table_model(const LoadedTable& loaded) { return thaw(loaded.table, native_table()); }

}  // namespace sudrun::abi
