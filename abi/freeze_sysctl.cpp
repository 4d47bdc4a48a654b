// freeze-sysctl: a YAML file of sysctl nodes -> the C++ array of them. The file says how it is written.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include "abi/yaml_view.hpp"

namespace {

using namespace sudrun::abi;

constexpr int kFirstAuto = 0x100;  // CTL_AUTO_START
constexpr std::size_t kMaxDepth = 5;

struct Kind {
  std::string_view name;        ///< in the file
  std::string_view enumerator;  ///< of CtlType
  std::string_view format;      ///< where the file does not say
  bool number = false;
};
constexpr Kind kKinds[] = {
    {"int", "int_", "I", true},     {"uint", "uint", "IU", true}, {"long", "long_", "L", true},
    {"ulong", "ulong", "LU", true}, {"s64", "s64", "Q", true},    {"u64", "u64", "QU", true},
    {"string", "string", "A"},      {"struct", "opaque", ""},     {"node", "node", "N"},
};

struct Row {
  std::string name;
  std::vector<int> oid;
  std::string type = "node", format = "N", provider = "nullptr", text;
  std::int64_t value = 0;
  bool hidden = false, writable = false;
  std::string about;
};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  return out + '"';
}

class Reader {
 public:
  std::vector<Row> read(const std::string& path) {
    const YAML::Node root = YAML::LoadFile(path);
    Problems problems;
    const YamlSource source{path, problems};
    problems.attempt([&] {
      const YamlMap top = YamlValue(source, root, "table", {1, 1}, kSysctlFile).map();
      for (const YamlMap::Item& item : top.require("sysctl").map().items())
        problems.attempt([&] { row(item); });
    });
    problems.throw_if_any();
    std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.oid < b.oid; });
    return std::move(rows_);
  }

 private:
  void row(const YamlMap::Item& item) {
    const YamlMap map = item.value.map();
    Row row;
    row.name = item.key.text();
    row.oid = number_of(item.key, map.require("oid"), row.name);
    if (const YamlValue* hidden = map.find("hidden")) row.hidden = hidden->boolean();
    if (const YamlValue* writable = map.find("writable")) row.writable = writable->boolean();
    if (const YamlValue* about = map.find("about")) row.about = about->text();
    value(item.key, map, row);
    rows_.push_back(row);
  }

  /// The whole number of `name`: its parent's and `last`.
  std::vector<int> number_of(const YamlValue& key, const YamlValue& last, const std::string& name) {
    const std::size_t dot = name.rfind('.');
    std::vector<int> oid;
    if (dot != std::string::npos) {
      const auto parent = numbers_.find(name.substr(0, dot));
      if (parent == numbers_.end())
        key.fail("`" + name + "` has no parent; expected a row `" + name.substr(0, dot) + "` before it");
      oid = parent->second;
    }
    if (oid.size() == kMaxDepth) key.fail("`" + name + "` has too many parts; expected at most 5");
    int& next = next_auto_.try_emplace(oid, kFirstAuto).first->second;
    oid.push_back(last.text() == "auto" ? next++ : static_cast<int>(last.integer(0, INT16_MAX)));
    if (!numbers_.try_emplace(name, oid).second) key.fail("`" + name + "` is there twice");
    if (!taken_.insert(oid).second) key.fail("`" + name + "` has the number of another row");
    return oid;
  }

  static void value(const YamlValue& key, const YamlMap& map, Row& row) {
    const YamlValue* const provider = map.find("provider");
    const YamlValue* const type = map.find("type");
    const YamlValue* const format = map.find("format");
    const YamlValue* constant = nullptr;
    const Kind* kind = nullptr;
    for (const Kind& candidate : kKinds) {
      const YamlValue* const found = map.find(candidate.name);
      if (found != nullptr && constant != nullptr) found->fail("a second value; expected one");
      if (found != nullptr) constant = found;
      if (found != nullptr || (type != nullptr && type->text() == candidate.name)) kind = &candidate;
    }
    if ((type == nullptr) != (provider == nullptr) || (provider != nullptr && constant != nullptr))
      key.fail("expected either a value, or `type` and `provider`, or neither");
    if (type != nullptr && kind == nullptr) type->fail("no such type");
    if (kind == nullptr) return;

    row.type = kind->enumerator;
    row.format = format != nullptr ? format->text() : std::string(kind->format);
    if (provider != nullptr) {
      row.provider = provider->identifier();
      if (const YamlValue* argument = map.find("argument")) row.value = argument->integer();
      return;
    }
    const bool wide = kind->name != "int" && kind->name != "uint";
    if (const YamlValue* file = map.find("file")) {
      if (!kind->number) file->fail("expected with a number only");
      row.text = file->text();
      row.provider = "file_number";
    } else if (kind->number) {
      row.provider = wide ? "number64" : "number32";
    } else {
      row.provider = "constant_text";
      row.text = constant->text_or_empty();
      return;
    }
    row.value = constant->integer(wide ? INT64_MIN : INT32_MIN, wide ? INT64_MAX : INT32_MAX);
  }

  std::vector<Row> rows_;
  std::map<std::string, std::vector<int>> numbers_;
  std::map<std::vector<int>, int> next_auto_;
  std::set<std::vector<int>> taken_;
};

/// `system`: its folder and namespace; `personality`: its class.
void write(std::ostream& out, const std::string& system, const std::string& personality,
           const std::vector<Row>& rows) {
  out << "// Generated by freeze-sysctl; do not edit.\n#include \"abi/" << system
      << "/sysctl.hpp\"\n\nnamespace sudrun::abi::" << system
      << " {\nnamespace {\n\nusing namespace bsd::sysctl_values;\n\nconstexpr SysctlNode kNodes[] = {\n";
  for (const Row& row : rows) {
    out << "    {.name = " << quoted(row.name) << ", .number = {";
    for (std::size_t i = 0; i < row.oid.size(); ++i) out << (i == 0 ? "" : ", ") << row.oid[i];
    out << "}, .depth = " << row.oid.size() << ", .type = CtlType::" << row.type
        << ", .format = " << quoted(row.format) << ", .provider = " << row.provider
        << ", .value = " << row.value << ", .text = " << quoted(row.text)
        << ", .about = " << quoted(row.about) << ", .hidden = " << (row.hidden ? "true" : "false")
        << ", .writable = " << (row.writable ? "true" : "false") << "},\n";
  }
  out << "};\nconstexpr SysctlTree kTree(kNodes);\n\n}  // namespace\n\nconst SysctlTree& " << personality
      << "::sysctl_tree() const noexcept { return kTree; }\n\n}  // namespace sudrun::abi::" << system
      << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: freeze-sysctl TABLE OUTPUT SYSTEM PERSONALITY\n";
    return 2;
  }
  try {
    const std::vector<Row> rows = Reader().read(argv[1]);
    std::ofstream out(argv[2], std::ios::binary);
    write(out, argv[3], argv[4], rows);
    out.close();
    if (!out) throw TableError(argv[2], {}, "cannot be written");
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
