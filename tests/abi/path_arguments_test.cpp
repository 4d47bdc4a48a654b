// Which arguments of FreeBSD's calls are paths, and how they are looked up.
#include <catch2/catch.hpp>

#include "abi/builtin.hpp"
#include "abi/path_arguments.hpp"
#include "abi/personality.hpp"

using namespace sudrun::abi;

namespace {

constexpr int kCwd = -100;

struct Calls {
  Table table = *builtin_table("freebsd-amd64");
  PathRules rules{table};
  std::array<PathArgument, kMaxPathArguments> paths;

  unsigned of(std::string_view name, std::array<Word, kMaxArgs> args) {
    for (const Entry& entry : table.entries())
      if (table.string(entry.name) == name) return rules.paths_of(entry, Frame{entry.number, args}, paths);
    FAIL("no call " << name);
    return 0;
  }
};

}  // namespace

TEST_CASE("a path is relative to the descriptor before it", "[path_arguments]") {
  Calls calls;
  REQUIRE(calls.of("chdir", {1}) == 1);
  CHECK((calls.paths[0].index == 0 && calls.paths[0].dirfd == kCwd && calls.paths[0].follow));
  REQUIRE(calls.of("openat", {7, 1}) == 1);
  CHECK((calls.paths[0].index == 1 && calls.paths[0].dirfd == 7 && calls.paths[0].follow));
  REQUIRE(calls.of("renameat", {5, 1, 6, 2}) == 2);
  CHECK((calls.paths[0].dirfd == 5 && !calls.paths[0].follow));
  CHECK((calls.paths[1].index == 3 && calls.paths[1].dirfd == 6 && !calls.paths[1].follow));
  // The text of a link is no path to look up.
  REQUIRE(calls.of("symlinkat", {1, 9, 2}) == 1);
  CHECK((calls.paths[0].index == 2 && calls.paths[0].dirfd == 9));
  CHECK(calls.of("read", {1, 2, 3}) == 0);
  CHECK(calls.of("execve", {1, 2, 3}) == 0);  // does it itself
}

TEST_CASE("flags and rows say whether a last link is followed", "[path_arguments]") {
  Calls calls;
  const auto follows = [&](std::string_view name, std::array<Word, kMaxArgs> args, unsigned path = 0) {
    REQUIRE(calls.of(name, args) > path);
    return calls.paths[path].follow;
  };
  CHECK(follows("open", {1, 0}));
  CHECK_FALSE(follows("open", {1, 0x100}));  // O_NOFOLLOW
  CHECK(follows("open", {1, 0x200}));        // O_CREAT
  CHECK_FALSE(follows("open", {1, 0xa00}));  // O_CREAT|O_EXCL
  CHECK(follows("fstatat", {1, 1, 1, 0}));
  CHECK_FALSE(follows("fstatat", {1, 1, 1, 0x200}));  // AT_SYMLINK_NOFOLLOW
  CHECK(follows("link", {1, 2}));
  CHECK_FALSE(follows("link", {1, 2}, 1));
  CHECK_FALSE(follows("linkat", {1, 1, 2, 2, 0}));
  CHECK(follows("linkat", {1, 1, 2, 2, 0x400}));  // AT_SYMLINK_FOLLOW
  CHECK_FALSE(follows("linkat", {1, 1, 2, 2, 0x400}, 1));
  for (const char* name : {"unlink", "rename", "mkdir", "rmdir", "lchown", "readlink", "lpathconf"})
    CHECK_FALSE(follows(name, {1, 2}));
}

TEST_CASE("a lookup beneath a directory has no other tree", "[path_arguments]") {
  Calls calls;
  CHECK(calls.of("openat", {7, 1, 0x00800000}) == 0);  // O_RESOLVE_BENEATH
  CHECK(calls.of("fstatat", {7, 1, 1, 0x2000}) == 0);  // AT_RESOLVE_BENEATH
}

TEST_CASE("releases are found by number, with or without a suffix", "[release]") {
  const Table table = *builtin_table("freebsd-amd64");
  CHECK(release_of(table, "13.2")->number == 1'302'001);
  CHECK(release_of(table, "14.0-RELEASE-p3")->number == 1'400'097);
  CHECK(release_of(table, "14.0-RELEASE-p3")->name == "14.0-RELEASE-p3");
  CHECK(release_of(table, "")->number == 1'500'068);
  CHECK_FALSE(release_of(table, "14"));
  CHECK_FALSE(release_of(table, "7.0"));
  CHECK_FALSE(release_of(*builtin_table("linux-amd64"), "6.1"));
}
