// What the table reader accepts, and what it says about what it does not.
#include "abi/table_reader.hpp"

#include <catch2/catch.hpp>

#include "tests/abi/small_tables.hpp"

using namespace sudrun::abi;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using sudrun::test::kGuestYaml;
using sudrun::test::replaced;

namespace {

/// The message for the guest's table with one thing changed.
std::string error_of(std::string_view from, std::string_view to) {
  try {
    parse_table(replaced(kGuestYaml, from, to), "guest.yaml");
  } catch (const TableError& error) {
    return error.what();
  }
  return "no error";
}

/// The message for one more row of calls.
std::string error_of_row(std::string_view row) {
  return error_of("  300: {name: move", "  " + std::string(row) + "\n  300: {name: move");
}

const CallModel& call_named(const TableModel& model, const std::string& name) {
  for (const CallModel& call : model.calls) {
    if (call.name == name) return call;
  }
  throw std::out_of_range(name);
}

}  // namespace

TEST_CASE("a table is read as it is written") {
  const TableModel model = parse_table(kGuestYaml, "guest.yaml");
  CHECK(model.abi == "guest");
  CHECK(model.source.at("release") == "7.2");
  CHECK(model.source.at("files") == "a.h, b.h");
  CHECK(model.osabi == 9);
  REQUIRE(model.notes.size() == 1);
  CHECK(model.notes[0].name == "Guest");
  CHECK(model.convention.carry_error);
  CHECK(model.convention.argc == 6);
  CHECK(model.convention.stack_args == 8);
  CHECK(model.convention.indirect[1] == 198);
  CHECK(model.convention.indirect[2] == -1);

  const CallModel& read = call_named(model, "read");
  CHECK(read.number == 3);
  CHECK(read.action == Action::native);
  REQUIRE(read.args.size() == 3);
  CHECK(read.args[1].role.kind == RoleKind::out_buf);
  CHECK(read.args[1].role.count == "n");
  CHECK(read.returns.kind == RoleKind::ssize);
  CHECK(call_named(model, "exit").returns.kind == RoleKind::none);
  CHECK(call_named(model, "nanosleep").interrupt_fails);
  CHECK(call_named(model, "nanosleep").args[1].role.nullable);
  CHECK(call_named(model, "writev").args[1].role.kind == RoleKind::in_array);
  CHECK(call_named(model, "writev").args[1].role.type == "iovec");
}

TEST_CASE("an error names file, line and column, what is wrong and what is expected") {
  try {
    parse_table("abi: guest\ntitle: x\ncolour: guest\n", "dir/guest.yaml");
    FAIL("no error");
  } catch (const TableError& error) {
    REQUIRE(error.problems().size() == 2);
    CHECK_THAT(error.problems()[0].text(),
               StartsWith("dir/guest.yaml:1:1: `table` has no `personality`, `source`"));
    CHECK_THAT(error.problems()[1].text(),
               StartsWith("dir/guest.yaml:3:1: unknown key `colour` in `table`; expected one of"));
    CHECK(error.file() == "dir/guest.yaml");
    CHECK(error.line() == 1);
    CHECK(error.column() == 1);
  }
}

TEST_CASE("text that is not YAML is refused with its position") {
  CHECK_THAT(error_of("calls:\n", "calls: [\n"), Contains("not valid YAML"));
  CHECK_THROWS_AS(parse_table("", "empty.yaml"), TableError);
  CHECK_THROWS_AS(parse_table("- 1\n", "list.yaml"), TableError);
  CHECK_THROWS_AS(read_table("/nonexistent/table.yaml"), TableError);
}

TEST_CASE("unknown keys are refused at every level") {
  CHECK_THAT(error_of("title: The guest", "title: The guest\ncolour: red"), Contains("unknown key `colour`"));
  CHECK_THAT(error_of("osabi: 9", "osabi: 9\n  magic: 1"), Contains("unknown key `magic` in `identify`"));
  CHECK_THAT(error_of("type: 1}", "type: 1, desc: 2}"), Contains("unknown key `desc`"));
  CHECK_THAT(error_of("result2: rdx", "result2: rdx\n  result3: rax"), Contains("unknown key `result3`"));
  CHECK_THAT(error_of("value: 87, native", "value: 87, nativ"), Contains("unknown key `nativ` in `ENOATTR`"));
  CHECK_THAT(error_of("default: core", "defaults: core"), Contains("unknown key `defaults`"));
  CHECK_THAT(error_of("unknown: refuse", "unknwon: refuse"),
             Contains("unknown key `unknwon` in `open_flags`"));
  CHECK_THAT(error_of("value: 1, field", "value: 1, mask"), Contains("unknown key `mask`"));
  CHECK_THAT(error_of("size: 20", "size: 20\n    align: 4"), Contains("unknown key `align` in `usage`"));
  CHECK_THAT(error_of("at: u8@19", "at: u8@19, kind: x"), Contains("unknown key `kind`"));
  CHECK_THAT(error_of_row("400: {name: x, support: none, note: n, flags: 1}"),
             Contains("unknown key `flags`"));
}

TEST_CASE("required keys are missed by name") {
  CHECK_THAT(error_of("title: The guest\n", ""), Contains("has no `title`"));
  CHECK_THAT(error_of("  result: rax\n", ""), Contains("`convention` has no `result`"));
  CHECK_THAT(error_of_row("400: {support: none, note: n}"), Contains("has no `name`"));
  CHECK_THAT(error_of_row("400: {name: x, note: n}"), Contains("has no `support`"));
}

TEST_CASE("nothing can be there twice") {
  CHECK_THAT(error_of("title: The guest", "title: The guest\ntitle: Another"),
             Contains("guest.yaml:3:1: `title` is there twice in `table`; the first is in line 2"));
  CHECK_THAT(error_of_row("3: {name: x, support: none, note: n}"), Contains("`3` is there twice"));
  CHECK_THAT(error_of_row("0x3: {name: x, support: none, note: n}"), Contains("call 3 is there twice"));
  CHECK_THAT(error_of_row("400: {name: read, support: none, note: n}"),
             Contains("a second call is named `read`"));
  CHECK_THAT(error_of("  EINTR: 4\n", "  EINTR: 4\n  EAGAIN: 4\n"), Contains("has the number of `EINTR`"));
  CHECK_THAT(error_of("  SIGINT: 2\n", "  SIGINT: 2\n  SIGX: 2\n"), Contains("has the number of `SIGINT`"));
  CHECK_THAT(error_of("      O_SYNC: 0x80\n", "      O_SYNC: 0x80\n      O_SYNC: 0x40\n"),
             Contains("there twice"));
  CHECK_THAT(error_of("{a: long, b: ulong, c: int}", "{a: long, b: ulong, a: int}"),
             Contains("`a` is there twice"));
  CHECK_THAT(error_of("args: [rdi, rsi,", "args: [rdi, rdi,"), Contains("`rdi` is there twice"));
}

TEST_CASE("numbers are checked for form and range") {
  CHECK_THAT(error_of_row("65536: {name: x, support: none, note: n}"), Contains("out of range"));
  CHECK_THAT(error_of_row("-1: {name: x, support: none, note: n}"), Contains("out of range"));
  CHECK_THAT(error_of_row("read2: {name: x, support: none, note: n}"), Contains("not a number"));
  CHECK_THAT(error_of("  EINTR: 4\n", "  EINTR: four\n"), Contains("`four` is not a number"));
  CHECK_THAT(error_of("  EINTR: 4\n", "  EINTR: \"4\"\n"), Contains("`4` is a text for its quotes"));
  CHECK_THAT(error_of("  EINTR: 4\n", "  EINTR: 0\n"), Contains("expected 1 to 4095"));
  CHECK_THAT(error_of("  SIGINT: 2\n", "  SIGINT: 129\n"), Contains("expected 1 to 128"));
  CHECK_THAT(error_of("O_SYNC: 0x80", "O_SYNC: 0200"), Contains("`0200` is not a number"));
  CHECK_THAT(error_of("stack_args: 8", "stack_args: 12"), Contains("multiple of 8"));
  CHECK_THAT(error_of("thread_pointer: fs", "at_fdcwd: 0x1fffafdcd"), Contains("out of range"));
  CHECK(parse_table(replaced(kGuestYaml, "thread_pointer: fs", "at_fdcwd: -5"), "g").convention.at_fdcwd ==
        -5);
  CHECK(parse_table(replaced(kGuestYaml, "O_SYNC: 0x80", "O_SYNC: 0o200"), "g").flags[0].values[5].value ==
        0x80);
}

TEST_CASE("the code programs begin with is given as hexadecimal digits") {
  const auto with = [](std::string_view code) {
    return "osabi: 9\n  entry_code: \"" + std::string(code) + "\"";
  };
  CHECK(parse_table(replaced(kGuestYaml, "osabi: 9", with("488d7708")), "g").entry_code == "488d7708");
  for (const std::string_view bad :
       {"488d77", "488d770", "488d77g8", "488D7708", "00112233445566778899aabbccddeeff00"})
    CHECK_THAT(error_of("osabi: 9", with(bad)), Contains("is not code; expected 4 to 16 bytes"));
}

TEST_CASE("values of the wrong type are refused") {
  CHECK_THAT(error_of("osabi: 9", "osabi: [9]"), Contains("osabi"));
  CHECK_THAT(error_of("signals:\n", "signals: [1]\nx:\n"), Contains("guest.yaml"));
  CHECK_THAT(error_of("args: [rdi, rsi, rdx, r10, r8, r9]", "args: rdi"), Contains("`args` is not a list"));
  CHECK_THAT(error_of("number: rax", "number: eax"), Contains("`eax` is not a value of `number`"));
  CHECK_THAT(error_of("error: carry", "error: flag"), Contains("expected one of negative, carry"));
  CHECK_THAT(error_of("trace_only: true", "trace_only: 1"), Contains("trace_only"));
  CHECK_THAT(error_of_row("400: read"), Contains("not a mapping"));
}

TEST_CASE("roles must exist, and what they refer to as well") {
  CHECK_THAT(error_of_row("400: {name: x, args: {a: integer}, handler: exit, support: full}"),
             Contains("`integer` is not a role"));
  CHECK_THAT(error_of_row("400: {name: x, args: {a: out_bfu(n), n: size}, handler: exit, support: full}"),
             Contains("`out_bfu(…)` is not a role"));
  CHECK_THAT(error_of_row("400: {name: x, args: {a: out_buf(m), n: size}, handler: exit, support: full}"),
             Contains("counted by `m`, which is not an argument"));
  CHECK_THAT(error_of_row("400: {name: x, args: {a: out_buf(n), n: fd}, handler: exit, support: full}"),
             Contains("counted by `n`, which is not a number"));
  CHECK_THAT(error_of_row("400: {name: x, args: {a: out_buf(200)}, handler: exit, support: full}"),
             Contains("`200` cannot be a count"));
  CHECK_THAT(error_of_row("400: {name: x, args: {a: in(stat)}, handler: exit, support: full}"),
             Contains("`stat` is not a type"));
  CHECK_THAT(error_of_row("400: {name: x, args: {a: \"int?\"}, handler: exit, support: full}"),
             Contains("not a pointer"));
  CHECK_THAT(error_of_row("400: {name: x, args: {a: none}, handler: exit, support: full}"),
             Contains("not a role of arguments"));
  CHECK_THAT(error_of_row("400: {name: x, returns: path, handler: exit, support: full}"),
             Contains("cannot be returned"));
}

TEST_CASE("a role that YAML has torn apart is recognised") {
  const std::string message =
      error_of_row("400: {name: x, args: {a: in(iovec,n), n: int}, handler: exit, support: full}");
  CHECK_THAT(message, Contains("quotes"));
}

TEST_CASE("a call has at most eight arguments, a native one six") {
  const std::string eight = "a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int";
  CHECK_THAT(error_of_row("400: {name: x, args: {" + eight + ", i: int}, handler: exit, support: full}"),
             Contains("expected at most 8"));
  CHECK_THAT(error_of_row("400: {name: x, args: {" + eight + "}, native: read, support: full}"),
             Contains("expected at most 6"));
  CHECK_THAT(error_of("  stack_args: 8\n", ""), Contains("no `stack_args`"));
}

TEST_CASE("each row has one action, or none and no support") {
  CHECK_THAT(error_of_row("400: {name: x, handler: a, native: b, support: full}"),
             Contains("more than one action"));
  CHECK_THAT(error_of_row("400: {name: x, error: EPERM, handler: b, support: full}"),
             Contains("more than one action"));
  CHECK_THAT(error_of_row("400: {name: x, support: full}"), Contains("has no action"));
  CHECK_THAT(error_of_row("400: {name: x, support: partial, note: n}"), Contains("has no action"));
  CHECK_THAT(error_of_row("400: {name: x, support: most, note: n}"),
             Contains("expected one of none, partial, full"));
  CHECK_THAT(error_of_row("400: {name: x, error: ENODATA, support: full}"), Contains("not in `errno`"));
  CHECK_THAT(error_of_row("400: {name: x, handler: a, native_args: [1], support: full}"),
             Contains("without `native`"));
  CHECK_THAT(error_of_row("400: {name: x, native: read, native_args: [y], support: full}"),
             Contains("`y` is not an argument"));
  CHECK_THAT(error_of_row("400: {name: x, native: read, futex: {word: a}, support: full}"),
             Contains("`futex` without `handler`"));
  CHECK_THAT(
      error_of_row("400: {name: x, handler: a, futex: {word: a, by: b, value: c, wait: []}, support: full}"),
      Contains("wake"));
}

TEST_CASE("a row's futex is of one kind, and has what that kind takes") {
  const auto error = [](std::string_view futex) {
    return error_of_row("400: {name: x, handler: a, futex: {" + std::string(futex) + "}, support: full}");
  };
  const std::string sleep = "word: a, value: b, limit: c, longest: 5";
  CHECK(error(sleep) == "no error");
  CHECK(error(sleep + ", differs: EPERM, late: ENOENT, fault: EFAULT") == "no error");
  CHECK(error("word: a, count: b, fault: EPERM") == "no error");
  CHECK(error("word: a, by: b, value: c, wait: [], wake: []") == "no error");
  CHECK_THAT(error("word: a, value: b, longest: 5"), Contains("`futex` has no `limit`"));
  CHECK_THAT(error("word: a, value: b, limit: c"), Contains("`futex` has no `longest`"));
  CHECK_THAT(error("count: b"), Contains("`futex` has no `word`"));
  CHECK_THAT(error(replaced(sleep, "longest: 5", "longest: 0")), Contains("expected 1 to 1000000000"));
  CHECK_THAT(error(replaced(sleep, "longest: 5", "longest: 1000000001")), Contains("out of range"));
  CHECK_THAT(error(sleep + ", late: EPREM"), Contains("`EPREM` is not in `errno`; did you mean `EPERM`?"));
  CHECK_THAT(error(sleep + ", wake: [b]"), Contains("unknown key `wake` in `futex`"));
  CHECK_THAT(error("word: a, count: b, late: EPERM"), Contains("unknown key `late` in `futex`"));
  CHECK_THAT(error("word: a, by: b, value: c, wait: [], wake: [], fault: EPERM"),
             Contains("unknown key `fault` in `futex`"));
  CHECK_THAT(error("word: [a], count: b"), Contains("`word` is a list; expected a word or a string"));
}

TEST_CASE("a convention that clears the second result has one") {
  const std::string with =
      replaced(kGuestYaml, "  result2: rdx\n", "  result2: rdx\n  clears_result2: true\n");
  CHECK(parse_table(with, "g").convention.clears_result2);
  CHECK_FALSE(parse_table(kGuestYaml, "g").convention.clears_result2);
  CHECK_THAT(error_of("  result2: rdx\n", "  clears_result2: true\n"),
             Contains("`clears_result2` without `result2`"));
  CHECK_THAT(error_of("  result2: rdx\n", "  result2: rdx\n  clears_result2: 1\n"),
             Contains("`1` is not a value of `clears_result2`; expected one of false, true"));
}

TEST_CASE("classes are lists of names of calls") {
  CHECK_THAT(error_of("calls:\n", "classes: [network]\ncalls:\n"), Contains("`classes` is not a mapping"));
  CHECK_THAT(error_of("calls:\n", "classes: {network: connect}\ncalls:\n"),
             Contains("`network` is not a list"));
  CHECK_THAT(error_of("calls:\n", "classes: {network: [con-nect]}\ncalls:\n"),
             Contains("`con-nect` is not a name"));
  CHECK_THAT(error_of("calls:\n", "classes: {network: [], network: []}\ncalls:\n"),
             Contains("`network` is there twice"));
}

TEST_CASE("a row below full support needs a note") {
  CHECK_THAT(error_of_row("400: {name: x, support: none}"), Contains("has no `note`"));
  CHECK_THAT(error_of_row("400: {name: x, handler: a, support: partial}"), Contains("has no `note`"));
}

TEST_CASE("flag values share no bits unless a field or a larger value says so") {
  CHECK_THAT(error_of("O_APPEND: 8", "O_APPEND: 2"), Contains("`O_APPEND` overlaps `O_RDONLY`"));
  CHECK_THAT(error_of("O_EXLOCK: {value: 0x20,", "O_EXLOCK: {value: 0x28, field: 0x30,"),
             Contains("lies outside its `field`"));
  CHECK_THAT(error_of("O_SYNC: 0x80", "O_SYNC: 0xa0\n      O_OTHER: 0xc0"),
             Contains("`O_OTHER` overlaps `O_SYNC`"));
  CHECK(error_of("O_SYNC: 0x80", "O_SYNC: 0x10080\n      O_PART: 0x80") == "no error");
  CHECK(error_of("O_SYNC: 0x80", "O_SYNC: 0x80\n      O_FSYNC: 0x80") == "no error");
  CHECK_THAT(error_of("CLOCK_MONOTONIC: 4", "CLOCK_MONOTONIC: {value: 4, field: 7}"),
             Contains("in an enumeration"));
}

TEST_CASE("structures have known types, and fields that fit and do not overlap") {
  CHECK_THAT(error_of("count: i32@0", "count: i33@0"), Contains("`i33` is not a type"));
  CHECK_THAT(error_of("count: i32@0", "count: i32"), Contains("not the type and offset"));
  CHECK_THAT(error_of("count: i32@0", "count: i32@x"), Contains("not the type and offset"));
  CHECK_THAT(error_of("count: i32@0", "count: i32@2"), Contains("`time` overlaps `count`"));
  CHECK_THAT(error_of("at: u8@19", "at: u16@19"), Contains("ends at byte 21 of 20"));
  CHECK_THAT(error_of("count: i32@0", "count: char@0"), Contains("lacks its length"));
  CHECK_THAT(error_of("count: i32@0", "count: \"u32[1]@0\""), Contains("no arrays"));
  CHECK_THAT(error_of("it_interval: timespec@0", "it_interval: usage@0"), Contains("`usage` is not a type"));
  CHECK_THAT(error_of("at: u32@12, flags: poll_events", "at: u32@12, flags: polls"),
             Contains("not in `flags`"));
}
