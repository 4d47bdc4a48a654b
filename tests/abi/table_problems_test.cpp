// What is said of bad tables, word for word: one for each kind of problem, and all of a file at once.
#include <catch2/catch.hpp>

#include "abi/builtin.hpp"
#include "abi/table_files.hpp"
#include "abi/table_freeze.hpp"
#include "abi/table_schema.hpp"
#include "tests/abi/small_tables.hpp"
#include "tests/support/run.hpp"

using namespace sudrun;
using namespace sudrun::abi;
using sudrun::test::kGuestHandlers;
using sudrun::test::kGuestYaml;
using sudrun::test::kNativeYaml;
using sudrun::test::replaced;

namespace {

/// All that is wrong with `text`, reading it and freezing it.
std::vector<std::string> problems_of(const std::string& text) {
  TableModel model;
  Problems problems;
  if (parse_table(text, "t.yaml", {}, model, problems))
    problems.attempt([&] { freeze(model, parse_table(kNativeYaml, "host.yaml"), kGuestHandlers); });
  std::vector<std::string> lines;
  try {
    problems.throw_if_any();
  } catch (const TableError& error) {
    for (const Problem& problem : error.problems()) lines.push_back(problem.text());
  }
  return lines;
}

/// The same for the guest's table with one thing changed.
std::vector<std::string> problems_with(std::string_view from, std::string_view to) {
  return problems_of(replaced(kGuestYaml, from, to));
}

/// The same for one more row of calls, which is in line 96.
std::vector<std::string> problems_of_row(std::string_view row) {
  return problems_of(kGuestYaml + "  600: " + std::string(row) + "\n");
}

using Lines = std::vector<std::string>;

const std::string kRow = "t.yaml:96:";

}  // namespace

TEST_CASE("the small table has no problem") { CHECK(problems_of(kGuestYaml).empty()); }

TEST_CASE("a slip is answered with what was meant") {
  CHECK(problems_of_row("{name: x, handlr: exit, support: full}") ==
        Lines{kRow + "18: unknown key `handlr` in `600`; did you mean `handler`?"});
  CHECK(problems_with("calls:\n",
                      "classes: {netwrok: [read], process: [exti, execve], time: [exit]}\ncalls:\n") ==
        Lines{"t.yaml:71:11: unknown key `netwrok` in `classes`; did you mean `network`?",
              "t.yaml:71:38: `exti` is not in `calls`; did you mean `exit`?"});
  CHECK(problems_with("title: The guest", "titel: The guest") ==
        Lines{"t.yaml:2:1: unknown key `titel` in `table`; did you mean `title`?"});
  CHECK(problems_of_row("{name: x, args: {a: hexx}, handler: exit, support: full}") ==
        Lines{kRow + "28: `hexx` is not a role; did you mean `hex`?"});
  CHECK(problems_of_row("{name: x, args: {a: open_flag}, handler: exit, support: full}") ==
        Lines{kRow + "28: `open_flag` is not a role; did you mean `open_flags`?"});
  CHECK(problems_of_row("{name: x, args: {a: out_bfu(n), n: size}, handler: exit, support: full}") ==
        Lines{kRow + "28: `out_bfu(…)` is not a role; did you mean `out_buf`?"});
  CHECK(problems_of_row("{name: x, args: {a: in(timspec)}, handler: exit, support: full}") ==
        Lines{kRow + "28: `timspec` is not a type; did you mean `timespec`?"});
  CHECK(problems_of_row("{name: x, args: {a: out_buf(size), siz: size}, handler: exit, support: full}") ==
        Lines{kRow +
              "28: `a` is counted by `size`, which is not an argument of the call; did you mean `siz`?"});
  CHECK(problems_of_row("{name: x, handler: acept, support: full}") ==
        Lines{kRow + "27: the personality `guest` has no handler `acept`; did you mean `accept`?"});
  CHECK(problems_of_row("{name: x, error: EPREM, support: full}") ==
        Lines{kRow + "25: `EPREM` is not in `errno`; did you mean `EPERM`?"});
  CHECK(problems_of_row("{name: x, args: {a: mode}, native: umaks, support: full}") ==
        Lines{kRow + "43: `umaks` is not a call of the native table; did you mean `umask`?"});
  CHECK(problems_of_row("{name: x, handler: exit, support: ful}") ==
        Lines{kRow + "42: `ful` is not a value of `support`; did you mean `full`?"});
  CHECK(problems_of_row("{name: x, args: {mask: mode}, native: umask, native_args: [mas], support: full}") ==
        Lines{kRow + "67: `mas` is not an argument of the call; did you mean `mask`?"});
  CHECK(problems_with("native: ENODATA", "native: ENODTA") ==
        Lines{"t.yaml:26:3: `ENODTA` is not a native error; did you mean `ENODATA`?"});
  CHECK(problems_with("SIGHUP: 1", "SIGHPU: 1") ==
        Lines{"t.yaml:30:3: `SIGHPU` is not a native signal; did you mean `SIGHUP`?"});
  CHECK(problems_with("O_APPEND: 8", "O_APEND: 8") ==
        Lines{"t.yaml:44:7: `O_APEND` is not in the native set `open_flags`; did you mean `O_APPEND`?"});
  CHECK(problems_with("count: i32@0", "count: i33@0") ==
        Lines{"t.yaml:63:14: `i33` is not a type; did you mean `i32`?"});
  CHECK(problems_with("time: u64@4", "tme: u64@4") ==
        Lines{"t.yaml:64:7: `tme` is not a field of the native `usage`; did you mean `time`?"});
}

TEST_CASE("what is like nothing known is answered with what is expected") {
  CHECK(problems_of_row("{name: x, handler: exit, support: full, colour: red}") ==
        Lines{kRow +
              "48: unknown key `colour` in `600`; expected one of name, args, returns, native, native_args, "
              "handler, error, interrupt, futex, support, note"});
  CHECK(problems_of_row("{name: x, handler: nothing_like_it, support: full}") ==
        Lines{kRow + "27: the personality `guest` has no handler `nothing_like_it`; expected the name of one "
                     "it has"});
}

TEST_CASE("every problem of a file is told, in the order of its lines") {
  std::string text = replaced(kGuestYaml, "title: The guest", "title: The guest\ncolour: red");
  text = replaced(text, "  EINTR: 4\n", "  EINTR: four\n");
  text = replaced(text, "O_SYNC: 0x80", "O_SYNC: 0200");
  text = replaced(text, "result2: rdx", "result2: edx");
  text = replaced(text, "count: i32@0", "count: i32@2");
  text =
      replaced(text, "args: {fd: fd, buf: out_buf(n), n: size}", "args: {fd: descriptor, buf: out_bfu(n)}");
  text = replaced(text, "{name: umask, ", "{nam: umask, ");
  const Lines lines = problems_of(text);
  REQUIRE(lines.size() == 8);
  CHECK(lines[0].starts_with("t.yaml:3:1: unknown key `colour`"));
  CHECK(lines[1] == "t.yaml:15:12: `edx` is not a value of `result2`; did you mean `rdx`?");
  CHECK(lines[2] == "t.yaml:22:10: `four` is not a number; expected a decimal, 0x… or 0o… integer");
  CHECK(lines[3] == "t.yaml:47:15: `0200` is not a number; expected a decimal, 0x… or 0o… integer");
  CHECK(lines[4] ==
        "t.yaml:65:7: `time` overlaps `count` (line 64); expected fields that do not share bytes");
  CHECK(lines[5].starts_with("t.yaml:75:30: `descriptor` is not a role"));
  CHECK(lines[6] == "t.yaml:75:47: `out_bfu(…)` is not a role; did you mean `out_buf`?");
  CHECK(lines[7] == "t.yaml:81:8: unknown key `nam` in `60`; did you mean `name`?");
}

TEST_CASE("what is wrong with a row's meaning is told beside what is wrong with another's form") {
  const std::string text = replaced(kGuestYaml, "{name: umask, ", "{nam: umask, ");
  const Lines lines = problems_of(replaced(text, "handler: connect", "handler: conect"));
  REQUIRE(lines.size() == 2);
  CHECK(lines[1] == "t.yaml:81:83: the personality `guest` has no handler `conect`; did you mean `connect`?");
}

TEST_CASE("a class is not blamed for a row of calls that has problems of its own") {
  const std::string text = replaced(kGuestYaml, "{name: umask, ", "{name: umask, nam: x, ");
  CHECK(problems_of(replaced(text, "calls:\n", "classes: {process: [umask, exti]}\ncalls:\n")) ==
        Lines{"t.yaml:81:21: unknown key `nam` in `60`; expected one of name, args, returns, native, "
              "native_args, handler, error, interrupt, futex, support, note"});
}

TEST_CASE("no slip of one letter ends in anything but problems with their places") {
  constexpr std::string_view kSlips = "{}[]:,x0 \n";
  for (std::size_t at = 0; at < kGuestYaml.size(); at += 23) {
    std::string text = kGuestYaml;
    text[at] = kSlips[at / 23 % kSlips.size()];
    for (const std::string& line : problems_of(text)) {
      INFO(at << ": " << line);
      CHECK(line.starts_with("t.yaml:"));
    }
  }
}

TEST_CASE("a value of another kind is told as what it is") {
  CHECK(problems_with("O_APPEND: 8", "O_APPEND: \"8\"") ==
        Lines{"t.yaml:44:17: `8` is a text for its quotes; expected a number without"});
  CHECK(problems_with("title: The guest", "title: [The, guest]") ==
        Lines{"t.yaml:2:8: `title` is a list; expected a word or a string"});
  CHECK(problems_with("title: The guest", "title: {The: guest}") ==
        Lines{"t.yaml:2:8: `title` is a mapping; expected a word or a string"});
  CHECK(problems_with("title: The guest", "title:") ==
        Lines{"t.yaml:2:1: `title` has no text; expected a word or a string"});
}

TEST_CASE("keys that are missing are told in one line") {
  CHECK(problems_of("abi: x\ntitle: y\n") ==
        Lines{"t.yaml:1:1: `table` has no `personality`, `source`, `identify`, `convention`, `errno`, "
              "`signals`, `calls`; the keys are required"});
}

TEST_CASE("the reference of the format is what its description says") {
  INFO("ninja table-reference writes it");
  CHECK(sudrun::test::read_file(sudrun::test::source_file("docs/table-format.md")) == table_reference());
}
