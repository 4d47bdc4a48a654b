// Freezing tables against the native vocabulary, and reading the frozen block.
#include "abi/table_freeze.hpp"

#include <catch2/catch.hpp>
#include <cstring>

#include "abi/table_block.hpp"
#include "tests/abi/small_tables.hpp"

using namespace sudrun::abi;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using sudrun::test::kGuestHandlers;
using sudrun::test::kGuestYaml;
using sudrun::test::kNativeYaml;
using sudrun::test::replaced;
using sudrun::test::SmallTable;

namespace {

std::vector<std::byte> frozen(const std::string& guest) {
  return freeze(parse_table(guest, "guest.yaml"), parse_table(kNativeYaml, "host.yaml"), kGuestHandlers);
}

std::string error_of(std::string_view from, std::string_view to) {
  try {
    frozen(replaced(kGuestYaml, from, to));
  } catch (const TableError& error) {
    return error.what();
  }
  return "no error";
}

std::string error_of_row(std::string_view row) {
  return error_of("  300: {name: move", "  " + std::string(row) + "\n  300: {name: move");
}

}  // namespace

TEST_CASE("a frozen table says what the file said") {
  const SmallTable table;
  CHECK(table->abi() == "guest");
  CHECK(table->title() == "The guest");
  CHECK(table->personality() == "guest");
  CHECK(table->release() == "7.2");
  CHECK(table->osabi() == 9);
  REQUIRE(table->notes().size() == 1);
  CHECK(table->string(table->notes()[0].name) == "Guest");
  CHECK(table->entry_code().empty());
  REQUIRE(table->interpreters().size() == 1);
  CHECK(table->string(table->interpreters()[0]) == "/libexec/ld.so");

  const Entry& kill = table->entry(37);
  CHECK(table->string(kill.name) == "kill");
  CHECK(kill.number == 37);
  CHECK(kill.action == Action::native);
  CHECK(kill.target == 62);
  CHECK(kill.argc == 2);
  CHECK(table->string(kill.arg_names[1]) == "sig");
  CHECK(kill.args[1].kind == RoleKind::signal);
  CHECK_FALSE(kill.pass_through);

  const Entry& execve = table->entry(59);
  CHECK(execve.action == Action::handler);
  CHECK(table->string(table->handler_names()[execve.target]) == "execve");
  CHECK(execve.support == Support::partial);
  CHECK(table->string(execve.note) == "scripts are not followed");
  CHECK(table->entry(243).action == Action::error);
  CHECK(table->entry(243).target == 88);
}

TEST_CASE("numbers without a row share an unsupported one") {
  const SmallTable table;
  CHECK(table->entry(2).action == Action::unsupported);
  CHECK(&table->entry(2) == &table->entry(100000));
  CHECK(&table->entry(2) == &table->entry(~Word{0}));
  CHECK(table->entry(11).action == Action::unsupported);
  CHECK(table->string(table->entry(11).name) == "execv");
}

TEST_CASE("rows whose arguments the kernel takes as they are pass through") {
  const SmallTable table;
  CHECK(table->entry(300).pass_through);
  CHECK(table->entry(60).pass_through);
  CHECK_FALSE(table->entry(3).pass_through);
  CHECK_FALSE(table->entry(119).pass_through);
}

TEST_CASE("native arguments can be reordered and constant") {
  const SmallTable table;
  const Entry& reordered = table->entry(117);
  CHECK(reordered.native_argc == 2);
  CHECK(reordered.native_args[0] == 1);
  CHECK(reordered.native_args[1] == 0);
  const Entry& constant = table->entry(119);
  CHECK((constant.native_args[0] & 0x80) != 0);
  CHECK(table->constant(constant.native_args[0] & 0x7f) == ~std::uint64_t{0});
}

TEST_CASE("every native error has a form in the guest's table") {
  const SmallTable table;
  CHECK(table->errno_to_guest(2) == 2);
  CHECK(table->errno_to_guest(61) == 87);
  CHECK(table->errno_to_guest(44) == 22);
  CHECK(table->errno_to_guest(0) == 0);
  CHECK(table->errno_name(87) == "ENOATTR");
  CHECK(table->errno_name(3).empty());
  CHECK(table->errno_name(-1).empty());
  CHECK_THAT(error_of("errno_from_native: {ECHRNG: EINVAL}\n", ""),
             Contains("the native error ECHRNG has no form in this table"));
}

TEST_CASE("an error Linux has no name for becomes the guest's EIO") {
  const SmallTable table;
  CHECK(table->errno_to_guest(524) == 5);
  CHECK(table->errno_to_guest(3) == 5);
}

TEST_CASE("signals are mapped both ways") {
  const SmallTable table;
  CHECK(table->signal_to_native(30) == 10);
  CHECK(table->signal_to_guest(17) == 20);
  CHECK(table->signal_to_native(7) == 36);
  CHECK(table->signal_to_guest(36) == 7);
  CHECK(table->signal_default(7) == SignalDefault::core);
  CHECK(table->signal_default(1) == SignalDefault::as_native);
  CHECK(table->signal_to_native(80) == 0);
  CHECK(table->signal_to_native(0) == 0);
  CHECK(table->signal_to_native(-1) == 0);
  CHECK(table->signal_to_native(1000) == 0);
  CHECK(table->signal_to_guest(33) == 0);
  CHECK(table->signal_name(7) == "SIGEMT");
  CHECK(table->signal_limit() == 80);
}

TEST_CASE("names that the native vocabulary lacks are refused") {
  CHECK_THAT(error_of("  EINTR: 4\n", "  EINTR: 4\n  ENEW: 5000\n"), Contains("out of range"));
  CHECK_THAT(error_of("  EINTR: 4\n", "  EINTR: 4\n  ENEW: 50\n"),
             StartsWith("guest.yaml:22:3: `ENEW` is not a native error"));
  CHECK_THAT(error_of("{ECHRNG: EINVAL}", "{ECHRNG: EINVAL, EOTHER: EINVAL}"),
             Contains("`EOTHER` is not a native error"));
  CHECK_THAT(error_of("native: SIGRTMIN+2", "native: SIGRTMIN+40"), Contains("not a native signal"));
  CHECK_THAT(error_of("native: SIGRTMIN+2", "native: SIGUSR1"), Contains("has the same native signal"));
  CHECK_THAT(error_of("  poll_events:", "  other_set: {kind: bits, values: {A: 1}}\n  poll_events:"),
             Contains("the native table has no set `other_set`"));
  CHECK_THAT(error_of("O_APPEND: 8", "O_APPEND: 8\n      O_NEW: 0x10"), Contains("not in the native set"));
  CHECK_THAT(error_of("{kind: bits, unknown: ignore, values: {POLLIN", "{kind: enum, values: {POLLIN"),
             Contains("of another kind"));
  CHECK_THAT(error_of("  iovec:", "  other: {size: 4, fields: {}}\n  iovec:"),
             Contains("no structure `other`"));
  CHECK_THAT(error_of("extra: {at: u8@19, native: none}", "extra: u8@19"),
             Contains("not a field of the native `usage`"));
  CHECK_THAT(error_of("native: kill", "native: murder"),
             Contains("`murder` is not a call of the native table"));
  CHECK_THAT(error_of("handler: execve", "handler: exec"), Contains("no handler `exec`"));
}

TEST_CASE("a native row passes as many arguments as the call takes") {
  CHECK_THAT(error_of("native_args: [who, usage]", "native_args: [who]"),
             Contains("passes 1 arguments to getusage; expected 2"));
}

TEST_CASE("what a native row cannot translate needs a handler") {
  CHECK_THAT(
      error_of_row(
          "400: {name: x, args: {fd: fd, iov: \"in(usage,n)\", n: int}, native: writev, support: full}"),
      Contains("not the same natively"));
  CHECK_THAT(error_of_row("400: {name: x, args: {o: in(opaque)}, native: setusage, support: full}"),
             Contains("has no native form"));
  CHECK_THAT(error_of_row("400: {name: x, args: {a: int, s: in_sockaddr(a)}, native: kill, support: full}"),
             Contains("not translated in a native row"));
  CHECK_THAT(error_of("  iovec:", "  huge: {size: 800, fields: {data: \"char[800]@0\"}}\n  iovec:"),
             Contains("no error"));
  const std::string with_huge = replaced(
      replaced(kGuestYaml, "  iovec:", "  huge: {size: 800, fields: {data: \"char[800]@0\"}}\n  iovec:"),
      "  300: {name: move",
      "  299: {name: x, args: {h: in(huge)}, native: setusage, support: full}\n  300: {name: move");
  CHECK_THROWS_WITH(frozen(with_huge), Contains("bytes to convert"));
}

TEST_CASE("a row says which of its operations are plain sleeps and wakes") {
  const auto row = [](std::string_view args, std::string_view futex) {
    return "400: {name: x, args: {" + std::string(args) + "}, handler: exit, futex: {" + std::string(futex) +
           "}, support: full}";
  };
  const std::string args = "at: ptr, what: clock_id, value: ulong, a: ptr";
  const std::string futex =
      "word: at, by: what, value: value, wait: [CLOCK_MONOTONIC], wake: [CLOCK_REALTIME, CLOCK_VIRTUAL]";
  const auto block =
      frozen(replaced(kGuestYaml, "  300: {name: move", "  " + row(args, futex) + "\n  300: {name: move"));
  const Entry& entry = Table::wrap(block)->entry(400);
  CHECK(entry.fast == FastKind::futex);
  CHECK(entry.futex_waits == 1U << 4);
  CHECK(entry.futex_wakes == 3U);
  CHECK(SmallTable()->entry(1).fast == FastKind::none);

  CHECK_THAT(error_of_row(row("what: clock_id, at: ptr, value: ulong", futex)),
             Contains("expected `at`, `what`, `value` first"));
  CHECK_THAT(error_of_row(row("at: ptr, what: int, value: ulong", futex)), Contains("no named values"));
  CHECK_THAT(error_of_row(row(args, replaced(futex, "CLOCK_VIRTUAL", "CLOCK_OTHER"))),
             Contains("`CLOCK_OTHER` is not a value below 32 of `clock_id`"));
  CHECK_THAT(error_of_row(row("at: ptr, what: open_flags, value: ulong",
                              "word: at, by: what, value: value, wait: [O_EXLOCK], wake: []")),
             Contains("`O_EXLOCK` is not a value below 32"));
}

TEST_CASE("a row of its own says that it is a plain sleep or wake, and what its errors are") {
  const auto row = [](std::string_view args, std::string_view futex) {
    return "400: {name: x, args: {" + std::string(args) + "}, handler: exit, futex: {" + std::string(futex) +
           "}, support: full}";
  };
  const auto frozen_row = [&](std::string_view args, std::string_view futex) {
    return frozen(
        replaced(kGuestYaml, "  300: {name: move", "  " + row(args, futex) + "\n  300: {name: move"));
  };
  const std::string sleep =
      "word: at, value: value, limit: time, longest: 5000, differs: EPERM, late: ENOENT";
  const auto block = frozen_row("at: ptr, value: int, time: int", sleep);
  const Entry& sleeper = Table::wrap(block)->entry(400);
  CHECK(sleeper.fast == FastKind::sleep);
  CHECK(sleeper.futex_longest == 5000);
  CHECK((sleeper.futex_differs == 1 && sleeper.futex_late == 2 && sleeper.futex_fault == 0));

  const auto wake_block = frozen_row("at: ptr, many: int", "word: at, count: many, fault: EPERM");
  const Entry& waker = Table::wrap(wake_block)->entry(400);
  CHECK(waker.fast == FastKind::wake);
  CHECK(waker.futex_fault == 1);

  CHECK_THAT(error_of_row(row("at: ptr, value: int", sleep)), Contains("`at`, `value`, `time` first"));
  CHECK_THAT(error_of_row(row("at: ptr, value: int, time: int", replaced(sleep, "EPERM", "EWHAT"))),
             Contains("`EWHAT` is not in `errno`"));
  const std::string far =
      replaced(kGuestYaml, "  EPERM: 1\n", "  EPERM: 1\n  EFAR: {value: 256, native: none}\n");
  CHECK_THROWS_WITH(frozen(replaced(far, "  300: {name: move",
                                    "  " + row("at: ptr, many: int", "word: at, count: many, fault: EFAR") +
                                        "\n  300: {name: move")),
                    Contains("`EFAR` is 256; expected an error up to 255 here"));
}

TEST_CASE("structures with the same bytes on both sides are identical") {
  const SmallTable table;
  CHECK(table->struct_layout("timespec").identical());
  CHECK(table->struct_layout("interval").identical());
  CHECK_FALSE(table->struct_layout("usage").identical());
  CHECK_FALSE(table->struct_layout("opaque").identical());
  CHECK(table->struct_layout("opaque").native_size() == 0);
  CHECK_FALSE(table->struct_layout("no_such_struct"));
}

TEST_CASE("nested structures are flattened into dotted names") {
  const SmallTable table;
  const StructLayout layout = table->struct_layout("interval");
  REQUIRE(layout.fields().size() == 4);
  CHECK(layout.field_name(layout.fields()[3]) == "it_value.tv_nsec");
  CHECK(layout.fields()[3].guest_offset == 24);
}

TEST_CASE("freezing twice gives the same bytes") { CHECK(frozen(kGuestYaml) == frozen(kGuestYaml)); }

TEST_CASE("the native table frozen against itself is the identity") {
  const TableModel native = parse_table(kNativeYaml, "host.yaml");
  const auto block = freeze(native, native, {});
  const Table table = Table::wrap(block).value();
  CHECK(table.errno_to_guest(61) == 61);
  CHECK(table.errno_to_guest(524) == 524);
  CHECK(table.signal_to_native(17) == 17);
  CHECK(table.flag_set("clock_id").to_native(99) == 99);
  CHECK(table.flag_set("open_flags").to_native(0x7fff'ffff) == 0x7fff'ffff);
  for (unsigned i = 0; i < table.struct_count(); ++i) CHECK(table.struct_layout(i).identical());
  for (const Entry& entry : table.entries()) CHECK(entry.target == entry.number);
}

TEST_CASE("a frozen native table serves as the native vocabulary") {
  const TableModel native = parse_table(kNativeYaml, "host.yaml");
  const auto block = freeze(native, native, {});
  const Table frozen_native = Table::wrap(block).value();
  const TableModel again = thaw(frozen_native, frozen_native);
  CHECK(freeze(parse_table(kGuestYaml, "guest.yaml"), again, kGuestHandlers) == frozen(kGuestYaml));
}

TEST_CASE("a block that is damaged or of another version is not a table") {
  auto block = frozen(kGuestYaml);
  REQUIRE(Table::wrap(block));
  const auto with = [&](std::size_t at, unsigned char value) {
    auto changed = block;
    changed[at] = std::byte{value};
    return Table::wrap(changed).has_value();
  };
  CHECK_FALSE(with(0, 0x7f));
  CHECK_FALSE(with(8, 99));
  CHECK_FALSE(Table::wrap(std::span(block).first(block.size() - 8)));
  CHECK_FALSE(Table::wrap(std::span(block).first(16)));
  CHECK_FALSE(Table::wrap({}));
  CHECK_FALSE(Table::wrap(std::span(block).subspan(1)));

  detail::BlockHeader header;
  std::memcpy(&header, block.data(), sizeof(header));
  header.entries.count = 0x0fff'ffff;
  std::memcpy(block.data(), &header, sizeof(header));
  CHECK_FALSE(Table::wrap(block));
}

TEST_CASE("no damage of one byte makes a table read outside its block") {
  const auto block = frozen(kGuestYaml);
  for (std::size_t at = 0; at < block.size(); at += 3) {
    auto changed = block;
    changed[at] ^= std::byte{0xff};
    const auto table = Table::wrap(changed);
    if (!table) continue;
    std::size_t sum = table->abi().size() + table->release().size();
    for (const Entry& entry : table->entries()) {
      sum += table->string(entry.name).size() + table->string(entry.note).size();
      if (entry.action == Action::handler) sum += table->string(table->handler_names()[entry.target]).size();
    }
    for (unsigned i = 0; i < table->flag_set_count(); ++i)
      sum += table->flag_set(i).to_native(at).value_or(0);
    for (unsigned i = 0; i < table->struct_count(); ++i) {
      for (const Field& field : table->struct_layout(i).fields())
        sum += table->struct_layout(i).field_name(field).size();
    }
    for (Word number = 0; number < 600; ++number) sum += table->entry(number).argc;
    CHECK(sum + 1 != 0);
  }
}

TEST_CASE("handlers that no row names are found") {
  const TableModel model = parse_table(kGuestYaml, "guest.yaml");
  const auto unused = unused_handlers(model, kGuestHandlers);
  REQUIRE(unused.size() == 1);
  CHECK(unused[0] == "spare");
}

TEST_CASE("the support page has a line for every row") {
  const std::string page = support_page(parse_table(kGuestYaml, "guest.yaml"));
  CHECK_THAT(page, Contains("| 3 | `read` | full | native |  |"));
  CHECK_THAT(page, Contains("| 117 | `getusage` | full | native |  |"));
  CHECK_THAT(page, Contains("| 119 | `getselfusage` | full | native `getusage` |  |"));
  CHECK_THAT(page, Contains("| 59 | `execve` | partial | handler | scripts are not followed |"));
  CHECK_THAT(page, Contains("| 11 | `execv` | none | — | obsolete |"));
  CHECK_THAT(page, Contains("| 243 | `jail` | full | always `EDOOFUS` |  |"));
}
