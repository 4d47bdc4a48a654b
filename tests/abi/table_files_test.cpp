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
  CHECK(error_of("sysctl: {kern.maxproc: 0x100000000}") ==
        "2:10: `kern.maxproc` holds 32 bits and `0x100000000` takes more; expected a number that fits");
  CHECK(error_of("sysctl: {kern.maxproc: -0x80000001}").starts_with("2:10: `kern.maxproc` holds 32 bits"));
  CHECK(error_of("sysctl: {kern.maxproc: 0xffffffff, hw.physmem: 0xffffffffffffffff}") == "no error");
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
  CHECK_THROWS_WITH(
      load_table_file(directory / "a.yaml", kEmptyPath),
      (directory / "b.yaml") + ":1:10: `a.yaml` extends itself in the end; expected a table that does not");
  CHECK_THROWS_WITH(load_table_file(directory / "b.yaml", kEmptyPath),
                    Catch::StartsWith(directory / "a.yaml"));
  write_file(directory / "0.yaml", "extends: freebsd-amd64\n");
  for (int i = 1; i < 9; ++i)
    write_file(directory / (std::to_string(i) + ".yaml"), "extends: " + std::to_string(i - 1) + ".yaml\n");
  CHECK_NOTHROW(load_table_file(directory / "7.yaml", kEmptyPath));
  CHECK_THROWS_WITH(
      load_table_file(directory / "8.yaml", kEmptyPath),
      (directory / "1.yaml") + ":1:10: the ninth file of a chain; expected at most 8 that extend each other");
  write_file(directory / "a.yaml", "extends: frebsd-amd64\n");
  CHECK_THROWS_WITH(
      load_table_file(directory / "a.yaml", kEmptyPath),
      Catch::EndsWith("a.yaml:1:10: there is no table `frebsd-amd64`; did you mean `freebsd-amd64`?"));
}

TEST_CASE("what is wrong with the file that a file extends is told of that one") {
  const TemporaryDirectory directory;
  write_file(directory / "b.yaml", "extends: a.yaml\ncolour: red\ncalls: {136: {eror: EPERM}}\n");
  write_file(directory / "a.yaml",
             "extends: freebsd-amd64\n\n\ncalls:\n  136: {eror: EPERM}\n  137: {error: EPREM}\n");
  try {
    load_table_file(directory / "b.yaml", kEmptyPath);
    FAIL("no error");
  } catch (const TableError& error) {
    REQUIRE(error.problems().size() == 3);
    CHECK(error.problems()[0].text() ==
          (directory / "a.yaml") + ":5:9: unknown key `eror` in `136`; did you mean `error`?");
    CHECK(error.problems()[1].text() ==
          (directory / "a.yaml") + ":6:16: `EPREM` is not in `errno`; did you mean `EPERM`?");
    CHECK_THAT(error.problems()[2].text(), Catch::StartsWith((directory / "b.yaml") + ":2:1: unknown key"));
  }
}

TEST_CASE("what is no table file is told in one line") {
  const auto error_of_file = [](const std::string& name) {
    try {
      load_table_file(name, kEmptyPath);
    } catch (const TableError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(error_of_file("/nonexistent/mine.yaml") ==
        "/nonexistent/mine.yaml: there is no such file; expected one");
  CHECK(error_of_file("/etc") == "/etc: is a directory; expected a table file");
  CHECK(error_of_file("/dev/zero") == "/dev/zero: is too large for a table; expected at most 4 MiB");
  CHECK(error_of_file("freebsd-amd64") == "freebsd-amd64: is a built-in table; expected a file");
  CHECK(error_of_file("mine.yml") ==
        "mine.yml: there is no such file; expected one, here or in /nonexistent");
  CHECK_THROWS_WITH(load_table("frebsd-amd64", kEmptyPath),
                    "frebsd-amd64: there is no table `frebsd-amd64`; did you mean `freebsd-amd64`?");
  CHECK_THROWS_WITH(load_table("/etc", kEmptyPath), "/etc: is a directory; expected a table file");

  const TemporaryDirectory directory;
  const std::string file = directory / "mine.yaml";
  const auto error_of_text = [&](const std::string& text) {
    write_file(file, text);
    return error_of_file(file).substr(file.size() + 1);
  };
  const std::string not_text = " is not text here; expected a table file: YAML in UTF-8";
  CHECK(error_of_text("\x7f"
                      "ELF\2\1\1") == "1:1:" + not_text);
  CHECK(error_of_text("extends: freebsd-amd64\ntitle: \xff\n") == "2:8:" + not_text);
  CHECK(error_of_text("extends: freebsd-amd64\n\x04 colour: red\n") == "2:1:" + not_text);
  CHECK(error_of_text(std::string("extends: x\0", 11)) == "1:11:" + not_text);
  CHECK(error_of_text("extends: freebsd-amd64\ntitle: \"\\e[31m\"\n") ==
        "2:8: `title` has a control character in it; expected one line of text");
  CHECK(error_of_text("extends: freebsd-amd64\n\"\\e[31m\": x\n") ==
        "2:1: `a key of table` has a control character in it; expected one line of text");
  CHECK(error_of_text("extends: freebsd-amd64\n---\ntitle: x\n") ==
        "3:1: a second document begins here; expected one, without `---` inside");
  for (const std::string opening : {"[", "{a: ", "- ", "? "}) {
    std::string deep = "extends: freebsd-amd64\ncalls:\n  ";
    for (int i = 0; i < 100'000; ++i) deep += opening;
    INFO(opening);
    CHECK_THAT(error_of_text(deep),
               Catch::EndsWith(" is nested too deeply; expected rows and what a row holds"));
  }
  CHECK(error_of_text("sysctl: {kern.maxproc: 1}") ==
        "1:1: holds sysctl nodes alone, which are built in; expected a table");
  CHECK(error_of_text("") == "1:1: `table` is not a mapping; expected `key: value` pairs");
  CHECK(error_of_text("extends: freebsd-amd64\n" + std::string(2'000'000, 'x') + ": 1\n").size() < 1000);
  CHECK_NOTHROW(load_table_file(
      (write_file(file, "extends: freebsd-amd64\ntitle: >\n  folded\n  text\n"), file), kEmptyPath));
}

TEST_CASE("aliases make no table larger than it may be") {
  const TemporaryDirectory directory;
  std::string bomb = "extends: freebsd-amd64\nsource:\n  a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char name = 'b'; name < 'j'; ++name) {
    const std::string before = std::string(", *") + static_cast<char>(name - 1);
    bomb +=
        std::string("  ") + name + ": &" + name + " [x" + before + before + before + before + before + "]\n";
  }
  write_file(directory / "mine.yaml", bomb);
  CHECK_THROWS_WITH(load_table_file(directory / "mine.yaml", kEmptyPath),
                    Catch::Contains("mine.yaml:4:") && Catch::Contains("`b` is a list"));
  CHECK_THAT(error_of("calls: &a {136: *a}"), Catch::Contains("2:12: unknown key `136` in `136`"));

  std::string variants = "variants:\n";
  for (int i = 0; i < 8; ++i) {
    variants += "  v" + std::to_string(i) + ": {cases: {default: hex";
    for (int j = 0; i < 7 && j < 20; ++j)
      variants += ", " + std::to_string(j) + ": \"variant(v" + std::to_string(i + 1) + ",cmd)\"";
    variants += "}}\n";
  }
  CHECK_THAT(error_of(variants + "calls: {92: {args: {fd: fd, cmd: fcntl_cmd, arg: \"variant(v0,cmd)\"}}}\n"),
             Catch::Contains("makes too many variants") && !Catch::Contains("\n"));
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
