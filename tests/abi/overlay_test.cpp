// Path lookup in a sysroot over the host's tree, on invented trees.
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>

#include "abi/overlay.hpp"

using namespace sudrun::abi;

namespace {

/// Files by absolute path: "/" a directory, "->TEXT" a link, "!" one that cannot be looked at, else a file.
class FakeTree final : public OverlayTree {
 public:
  explicit FakeTree(std::map<std::string, std::string> files) : files_(std::move(files)) {}
  unsigned looks = 0;

  Kind look(const char* path, std::span<char> text, std::size_t& length) noexcept override {
    ++looks;
    const auto found = files_.find(path);
    if (found == files_.end()) return parent_is_file(path) ? Kind::no_parent : Kind::missing;
    if (found->second == "!") return Kind::unreadable;
    if (!found->second.starts_with("->")) return Kind::present;
    const std::string target = found->second.substr(2);
    length = std::min(target.size(), text.size());
    std::memcpy(text.data(), target.data(), length);
    return Kind::link;
  }
  bool is_directory(const char* path) noexcept override {
    const auto found = files_.find(path);
    return found != files_.end() && found->second == "/";
  }
  bool is_empty_directory(const char* path) noexcept override {
    const std::string inside = std::string(path) + "/";
    const auto next = files_.lower_bound(inside);
    return is_directory(path) && (next == files_.end() || !next->first.starts_with(inside));
  }

 private:
  bool parent_is_file(const std::string& path) const {
    const auto parent = files_.find(path.substr(0, path.rfind('/')));
    return parent != files_.end() && parent->second == "file";
  }
  std::map<std::string, std::string> files_;
};

const std::map<std::string, std::string> kFiles = {
    {"/", "/"},
    {"/S", "/"},
    {"/S/bin", "/"},
    {"/S/bin/sh", "file"},
    {"/S/lib", "/"},
    {"/S/lib/c.so", "->c.so.7"},
    {"/S/lib/c.so.7", "file"},
    {"/S/lib/abs", "->/lib/c.so.7"},
    {"/S/lib/out", "->../../../../etc/host"},
    {"/S/lib/tohost", "->/home/u/f"},
    {"/S/lib/self", "->self"},
    {"/S/lib/slash", "->/bin/"},
    {"/S/only", "/"},
    {"/S/only/x", "file"},
    {"/S/tmp", "/"},
    {"/S/dev", "/"},
    {"/S/dev/null", "file"},
    {"/S/secret", "!"},
    {"/S/dangling", "->/only/new"},
    {"/bin", "->usr/bin"},
    {"/usr", "/"},
    {"/usr/bin", "/"},
    {"/lib", "/"},
    {"/lib/host.so", "file"},
    {"/tmp", "/"},
    {"/tmp/f", "file"},
    {"/dev", "/"},
    {"/dev/null", "file"},
    {"/dev/fd", "->/proc/self/fd"},
    {"/proc", "/"},
    {"/etc", "/"},
    {"/etc/host", "file"},
    {"/home", "/"},
    {"/home/u", "/"},
    {"/home/u/f", "file"},
    {"/home/u/tolib", "->/lib/c.so"},
    {"/home/u/loop", "->loop"},
};

/// The host path found, "" if the guest's path may stay, or "-ERRNO".
std::string find(std::string_view path, std::string_view base = "/home/u", bool follow = true,
                 bool prefer = false) {
  FakeTree tree(kFiles);
  ResolvedPath found;
  const NativeResult result = resolve_in_overlay(tree, {"/S", base, path, follow, prefer}, found);
  if (result != 0) return std::to_string(result);
  const std::string text(found.text.data(), found.length);
  CHECK((found.length == 0 || found.text[found.length] == '\0'));
  CHECK(found.in_root == text.starts_with("/S"));
  return text;
}

}  // namespace

TEST_CASE("the sysroot's entry wins, the host's is next", "[overlay]") {
  CHECK(find("/bin/sh") == "/S/bin/sh");
  CHECK(find("//bin//sh") == "/S/bin/sh");
  CHECK(find("/lib/host.so") == "/lib/host.so");
  CHECK(find("/etc/host").empty());
  CHECK(find("/") == "/S");
  CHECK(find("/lib") == "/S/lib");
  CHECK(find("/lib/") == "/S/lib/");
  CHECK(find("/nothing/at/all").empty());
  CHECK(find("").empty());
}

TEST_CASE("links are followed in the merged view", "[overlay]") {
  CHECK(find("/lib/c.so") == "/S/lib/c.so.7");
  CHECK(find("/lib/c.so", "/", false) == "/S/lib/c.so");
  CHECK(find("/lib/abs") == "/S/lib/c.so.7");
  CHECK(find("/lib/out") == "/etc/host");
  CHECK(find("/lib/tohost") == "/home/u/f");
  CHECK(find("/lib/slash") == "/S/bin/");
  CHECK(find("/lib/slash/sh") == "/S/bin/sh");
  CHECK(find("/home/u/tolib") == "/S/lib/c.so.7");
  CHECK(find("/home/u/tolib", "/", false).empty());
  CHECK(find("/lib/self") == "-40");
  CHECK(find("/lib/self", "/", false) == "/S/lib/self");
  CHECK(find("/home/u/loop") == "-40");
}

TEST_CASE("`..` ends at the guest's root", "[overlay]") {
  CHECK(find("/../../lib/c.so.7") == "/S/lib/c.so.7");
  CHECK(find("/lib/../../../bin/sh") == "/S/bin/sh");
  CHECK(find("..", "/S") == "/S/");
  CHECK(find("../../x", "/S/lib") == "/x");
  CHECK(find("../etc/host", "/S/lib") == "/etc/host");
  CHECK(find("../bin/sh", "/home") == "/S/bin/sh");
  CHECK(find("/dev/../lib/c.so.7") == "/S/lib/c.so.7");
}

TEST_CASE("a relative path starts from what the guest calls its directory", "[overlay]") {
  CHECK(find("c.so", "/S/lib") == "/S/lib/c.so.7");
  CHECK(find("host.so", "/S/lib") == "/lib/host.so");
  CHECK(find("c.so", "/lib") == "/S/lib/c.so.7");
  CHECK(find("f").empty());
  CHECK(find("./f").empty());
  CHECK(find("new").empty());
  CHECK(find("sub/../f").empty());
  CHECK(find(".", "/S/lib") == "/S/lib/");
}

TEST_CASE("devices and processes are the host's", "[overlay]") {
  CHECK(find("/dev/null").empty());
  CHECK(find("/dev").empty());
  CHECK(find("/dev/fd/7").empty());
  CHECK(find("/proc/self/exe").empty());
  CHECK(find("/devices").empty());
}

TEST_CASE("new names go to the host unless only the sysroot has the directory", "[overlay]") {
  CHECK(find("/lib/new") == "/lib/new");
  CHECK(find("/only/new") == "/S/only/new");
  CHECK(find("/only/new/") == "/S/only/new/");
  CHECK(find("/new").empty());
  CHECK(find("/dangling") == "/S/only/new");
  CHECK(find("/lib/new", "/", false, true) == "/S/lib/new");
  CHECK(find("/home/new", "/", false, true).empty());
}

TEST_CASE("an empty directory stands aside for the host's", "[overlay]") {
  CHECK(find("/tmp").empty() == false);
  CHECK(find("/tmp") == "/tmp");
  CHECK(find("/tmp/f") == "/tmp/f");
}

TEST_CASE("what hides and what cannot be looked at is left to the kernel", "[overlay]") {
  CHECK(find("/bin/sh/x") == "/S/bin/sh/x");
  CHECK(find("/secret/x") == "/S/secret/x");
}

TEST_CASE("paths that are too long are refused", "[overlay]") {
  CHECK(find("/" + std::string(kMaxPath, 'a')) == "-36");
  CHECK(find("/only/" + std::string(kMaxPath - 8, 'a')) == "-36");
  CHECK(find("/" + std::string(200, 'a')).empty());
}

TEST_CASE("a deep host path costs one look at the sysroot", "[overlay]") {
  FakeTree tree(kFiles);
  ResolvedPath found;
  CHECK(resolve_in_overlay(tree, {"/S", "/", "/home/u/f", true, false}, found) == 0);
  CHECK(tree.looks == 4);
}

TEST_CASE("host paths are shown without the sysroot", "[overlay]") {
  CHECK(path_outside_root("/S", "/S/lib") == "/lib");
  CHECK(path_outside_root("/S", "/S") == "/");
  CHECK(path_outside_root("/S", "/Sx/lib") == "/Sx/lib");
  CHECK(path_outside_root("/S", "/etc") == "/etc");
  CHECK(path_outside_root("/S", "pipe:[1]") == "pipe:[1]");
  CHECK(path_outside_root("", "/etc") == "/etc");
}
