// Tables that extend others, where they are found, and the way from a frozen table to a document and back.
#include "abi/table_files.hpp"

#include <nlohmann/json.hpp>

#include <catch2/catch.hpp>

#include "abi/builtin.hpp"
#include "abi/table_document.hpp"
#include "tests/support/run.hpp"

using namespace sudrun::abi;
using sudrun::test::TemporaryDirectory;
using sudrun::test::write_file;

namespace {

const TablePath kEmptyPath("/nonexistent");

nlohmann::ordered_json document_of(const std::string& name) {
  return table_document(table_model(load_table(name, kEmptyPath)));
}

/// The difference that a file which extends a table makes.
std::string effect_of(const std::string& changes, const std::string& base = "freebsd-amd64") {
  const TemporaryDirectory directory;
  write_file(directory / "mine.yaml", "extends: " + base + "\n" + changes);
  return table_difference(document_of(base), document_of(directory / "mine.yaml"));
}

std::string error_of(const std::string& changes) {
  const TemporaryDirectory directory;
  write_file(directory / "mine.yaml", "extends: freebsd-amd64\n" + changes);
  try {
    load_table_file(directory / "mine.yaml", kEmptyPath);
  } catch (const TableError& error) {
    return std::string(error.what()).substr((directory / "mine.yaml").size() + 1);
  }
  return "no error";
}

}  // namespace

TEST_CASE("a built-in table is the same after a way through a document") {
  for (const std::string_view name : builtin_abis()) {
    const auto document = document_of(std::string(name));
    CHECK(document["calls"].size() == builtin_table(name)->entries().size());
    const TemporaryDirectory directory;
    write_file(directory / "table.yaml", table_text(document));
    write_file(directory / "table.json", document.dump(2));
    CHECK(table_difference(document, document_of(directory / "table.yaml")).empty());
    CHECK(table_difference(document, document_of(directory / "table.json")).empty());
  }
}

TEST_CASE("a built-in table is the file it was made from") {
  for (const char* name : {"freebsd-amd64", "netbsd-amd64", "dragonfly-amd64", "linux-amd64"}) {
    const std::string file = sudrun::test::source_file("tables/" + std::string(name) + ".yaml").string();
    CHECK(table_difference(document_of(name), document_of(file)).empty());
  }
}

TEST_CASE("a file that extends a table and says nothing changes nothing") {
  CHECK(effect_of("") == "");
  CHECK(effect_of("calls: {}\nerrno: {}\n") == "");
}

TEST_CASE("a file that extends a table changes what it says") {
  SECTION("one call, as far as it is said") {
    CHECK(
        effect_of("calls: {136: {error: EPERM}}") ==
        "- calls.136: {name: mkdir, args: {path: path_nofollow, mode: mode}, native: mkdir, support: full}\n"
        "+ calls.136: {name: mkdir, args: {path: path_nofollow, mode: mode}, error: EPERM, support: full}\n");
  }
  SECTION("a new call") {
    CHECK(
        effect_of(
            "calls: {4000: {name: mine, args: {a: int}, native: getpid, native_args: [], support: full}}") ==
        "+ calls.4000: {name: mine, args: {a: int}, native: getpid, native_args: [], support: full}\n");
  }
  SECTION("one error, and what becomes of the native one") {
    CHECK(effect_of("errno: {EPERM: 199}\n") ==
          "- errno.EPERM: {value: 1, native: none}\n"
          "+ errno.EPERM: {value: 199, native: none}\n");
    CHECK(effect_of("errno: {ENEW: {value: 199, native: EXDEV}}\n") ==
          "+ errno.ENEW: {value: 199, native: none}\n"
          "- errno_from_native.EXDEV: EXDEV\n+ errno_from_native.EXDEV: ENEW\n");
  }
  SECTION("one value of a flag set") {
    CHECK(effect_of("flags: {access_mode: {values: {X_OK: 16}}}") ==
          "- flags.access_mode.values.X_OK: 1\n+ flags.access_mode.values.X_OK: 16\n");
  }
  SECTION("one structure") {
    CHECK_THAT(effect_of("structs: {timespec: {size: 24, fields: {tv_sec: i64@0, tv_nsec: i64@16}}}"),
               Catch::Contains("+ structs.timespec.fields.tv_nsec: i64@16\n"));
  }
  SECTION("one sysctl value") {
    CHECK(effect_of("sysctl: {kern.maxproc: 99, kern.ostype: Mine}") ==
          "+ sysctl: {kern.maxproc: 99, kern.ostype: Mine}\n");
  }
  SECTION("the convention, one key of it") {
    CHECK(effect_of("convention: {at_fdcwd: -50}") == "+ convention.at_fdcwd: -50\n");
  }
  SECTION("a class of calls, by what is new in it") {
    CHECK_THAT(effect_of("classes: {network: [mkdir]}"),
               Catch::StartsWith("- classes.network: [recvmsg, ") &&
                   Catch::Contains("\n+ classes.network: [recvmsg, ") && Catch::Contains(" mkdir, "));
    CHECK_THAT(effect_of("calls: {97: {name: sokcet}}"), Catch::Contains(" sokcet, connect, "));
  }
  SECTION("a plain sleep, as far as it is said") {
    CHECK(effect_of("calls: {470: {futex: {word: ptr, count: count}}}", "dragonfly-amd64") ==
          "- calls.470: {name: umtx_wakeup, args: {ptr: in(i32), count: int}, handler: umtx_wakeup, futex: "
          "{word: "
          "ptr, count: count, fault: EINVAL}, support: full}\n"
          "+ calls.470: {name: umtx_wakeup, args: {ptr: in(i32), count: int}, handler: umtx_wakeup, futex: "
          "{word: "
          "ptr, count: count}, support: full}\n");
    CHECK_THAT(effect_of("calls: {469: {futex: {word: ptr, value: value, limit: timeout, longest: 7}}}",
                         "dragonfly-amd64"),
               Catch::Contains("longest: 2000000, differs: EBUSY, late: EAGAIN, fault: EINVAL}") &&
                   Catch::Contains("longest: 7}"));
    CHECK_THROWS_WITH(effect_of("calls: {470: {args: {p: ptr, count: int}}}", "dragonfly-amd64"),
                      Catch::Contains("expected `ptr`, `count` first"));
  }
  SECTION("its own name") { CHECK(effect_of("abi: mine") == "- abi: freebsd-amd64\n+ abi: mine\n"); }
}

TEST_CASE("what is wrong with a file that extends another is told with its place") {
  CHECK(error_of("calls: {136: {eror: EPERM}}") ==
        "2:15: unknown key `eror` in `136`; did you mean `error`?");
  CHECK(error_of("calls: {4000: {error: EPERM}}").starts_with("2:15: `4000` has no `name`, `support`"));
  CHECK(error_of("calls: {4000: {name: read, error: EPERM, support: full}}") ==
        "2:9: a second call is named `read`; expected different names");
  CHECK(error_of("calls: {136: {args: {path: path}}}").starts_with("2:9: `mkdir` passes 1 arguments"));
  CHECK(error_of("errno: {ENEW: 1}").starts_with("2:9: `ENEW` has the number of `EPERM` (of the table"));
  CHECK(error_of("sysctl: {kern.maxprocs: 1}") ==
        "2:10: `kern.maxprocs` is not a sysctl node; did you mean `kern.maxproc`?");
  CHECK(error_of("sysctl: {kern.maxproc: many}") ==
        "2:10: `kern.maxproc` holds a number and not `many`; expected a number");
  CHECK(error_of("sysctl: {kern.boottime: 1}") ==
        "2:10: `kern.boottime` holds neither a number nor a text; expected a node that does");
}

TEST_CASE("a file may extend a file, and nothing itself") {
  const TemporaryDirectory directory;
  write_file(directory / "a.yaml", "extends: b.yaml\ntitle: A\n");
  write_file(directory / "b.yaml", "extends: freebsd-amd64\ntitle: B\ncalls: {136: {error: EPERM}}\n");
  const TableModel model = table_model(load_table_file(directory / "a.yaml", kEmptyPath));
  CHECK(model.title == "A");
  write_file(directory / "b.yaml", "extends: a.yaml\n");
  CHECK_THROWS_WITH(load_table_file(directory / "a.yaml", kEmptyPath), Catch::Contains("without an end"));
  write_file(directory / "a.yaml", "extends: frebsd-amd64\n");
  CHECK_THROWS_WITH(
      load_table_file(directory / "a.yaml", kEmptyPath),
      Catch::EndsWith("a.yaml:1:10: there is no table `frebsd-amd64`; did you mean `freebsd-amd64`?"));
}

TEST_CASE("a table is looked for here and then in the table path") {
  const TemporaryDirectory first, second;
  write_file(second / "mine.yaml", "extends: freebsd-amd64\n");
  write_file(second / "plain", "extends: freebsd-amd64\n");
  const TablePath path(first.path().string() + "::" + second.path().string());
  CHECK(path.find("mine") == second / "mine.yaml");
  CHECK(path.find("mine.yaml") == second / "mine.yaml");
  CHECK(path.find("plain") == second / "plain");
  CHECK(path.find(second / "plain") == second / "plain");
  CHECK(path.find("nothing").empty());
  CHECK(path.find("./mine.yaml").empty());
  write_file(first / "mine.yaml", "extends: netbsd-amd64\n");
  CHECK(path.find("mine") == first / "mine.yaml");
  CHECK_THROWS_WITH(load_table_file("nothing", path), Catch::Contains("here or in " + path.text()));
}
