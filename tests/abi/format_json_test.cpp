// Lines of a trace as JSON: valid for any bytes and in any room. nlohmann's parser is the judge.
#include "abi/format_json.hpp"

#include <catch2/catch.hpp>

#include <cerrno>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/abi/fake_host.hpp"
#include "tests/abi/small_tables.hpp"

using namespace sudrun::abi;
using nlohmann::json;
using sudrun::test::FakeHost;
using sudrun::test::SmallTable;

namespace {

struct Fixture {
  SmallTable table;
  FakeHost host;

  json line(Word number, std::initializer_list<Word> args, const Result& result, std::size_t room = 4096) {
    Frame frame;
    frame.number = number;
    std::copy(args.begin(), args.end(), frame.args.begin());
    std::string text(room, '#');
    JsonWriter out(text);
    const TracedCall call{*table, table->entry(number), frame, host};
    json_call(out, call, &result);
    json_result(out, call, result);
    text.resize(out.finish());
    INFO(text);
    CHECK(text.find('\n') == std::string::npos);
    return json::parse(text);
  }
};

std::string written(std::size_t room, const std::function<void(JsonWriter&)>& write) {
  std::string text(room, '#');
  JsonWriter out(text);
  write(out);
  text.resize(out.finish());
  return text;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "arguments have their names and kinds", "[json]") {
  const json opened =
      line(499, {0xffff'ffff'ffff'ff9c, host.string("/etc/passwd"), 0x100000, 0644}, Result::ok(3));
  CHECK(opened == json::parse(R"({"call":"openat","number":499,"args":{"dir":"AT_FDCWD","path":"/etc/passwd",
      "flags":"O_RDONLY|O_CLOEXEC","mode":"0644"},"result":3,"error":null})"));
  const json moved = line(300, {~Word{4}, Word{1} << 60, 7}, Result::ok2(3, 4));
  CHECK(moved["args"] == json::parse(R"({"a":-5,"b":"1152921504606846976","c":7})"));
  CHECK(moved["result2"] == 4);
  CHECK(line(240, {0, 0}, Result::ok(0))["args"]["rem"].is_null());
}

TEST_CASE_METHOD(Fixture, "errors have a name and a number", "[json]") {
  const json failed = line(5, {host.string("nope"), 0, 0}, Result::fail(ENODATA));
  CHECK(failed["result"] == -1);
  CHECK(failed["error"] == "ENOATTR");
  CHECK(failed["errno"] == 87);
  CHECK(line(300, {}, Result::fail(GuestErrno{99}))["error"] == "unknown");
  CHECK(line(1, {3}, Result::thread_exit())["result"].is_null());
}

TEST_CASE_METHOD(Fixture, "a call without a row has its number and plain arguments", "[json]") {
  const json unknown = line(9999, {1, 2, 3, 4, 5, 6}, Result::fail(EINVAL));
  CHECK(unknown["call"].is_null());
  CHECK(unknown["number"] == 9999);
  CHECK(unknown["args"]["0"] == "0x1");
}

TEST_CASE_METHOD(Fixture, "strings are text if they are, and hexadecimal digits if not", "[json]") {
  const auto path = [&](std::string_view name) {
    return line(5, {host.string(std::string(name)), 0, 0}, Result::ok(3))["args"]["path"];
  };
  CHECK(path("a\"b\\c\n\t\x01z") == "a\"b\\c\n\t\x01z");
  CHECK(path("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(path("x\xff") == json{{"hex", "78ff"}});
  CHECK(path("\xed\xa0\x80") == json{{"hex", "eda080"}});  // half of a pair
  CHECK(path("\xc0\xaf") == json{{"hex", "c0af"}});        // longer than need be
  CHECK(path(std::string(300, 'x')) == json{{"text", std::string(256, 'x')}, {"truncated", true}});
  // A sequence that is cut through is left out.
  CHECK(path(std::string(255, 'x') + "\xc3\xa9 and more") ==
        json{{"text", std::string(255, 'x')}, {"truncated", true}});
  const Word buffer = host.allocate(64);
  host.store_string(buffer, std::string(40, 'y'));
  CHECK(line(4, {1, buffer, 40}, Result::ok(40))["args"]["buf"] ==
        json{{"text", std::string(32, 'y')}, {"truncated", true}});
}

TEST_CASE_METHOD(Fixture, "any bytes and any room give valid JSON", "[json]") {
  std::mt19937 random(20261122);
  for (int round = 0; round < 3000; ++round) {
    std::string name(1 + random() % 300, '\0');
    for (char& c : name) c = static_cast<char>(1 + random() % 255);
    const Word path = host.base() + 16, argv = host.base() + 1024;
    host.store_string(path, name + '\0');
    for (Word i = 0; i < 20; ++i) host.store<Word>(argv + i * 8, i == 19 ? 0 : path);
    const std::size_t room = 64 + random() % 4033;
    const json call = line(59, {path, argv, argv}, Result::fail(ENOENT), room);
    if (room == 4096) CHECK(call["error"] == "ENOENT");
    line(4, {1, path, random() % 64}, Result::ok(1), room);
  }
}

TEST_CASE("what does not fit is left out, and that is said", "[json]") {
  const std::string whole = written(64, [](JsonWriter& out) { out.text("a", "b"); });
  CHECK(whole == R"({"a":"b"})");
  const std::string less = written(64, [](JsonWriter& out) {
    out.text("a", std::string(60, 'x'));
    out.integer("b", 7);
  });
  CHECK(less == R"({"b":7,"truncated":true})");
  const std::string inside = written(96, [](JsonWriter& out) {
    out.integer("first", 1);
    out.open("args", 32);
    out.text("long", std::string(60, 'x'));
    out.integer("short", 2);
    out.close();
    out.integer("last", 3);
  });
  CHECK(inside == R"({"first":1,"args":{"short":2},"last":3,"truncated":true})");
  const std::string no_room = written(64, [](JsonWriter& out) {
    out.text("a", std::string(30, 'x'));
    out.open("arguments", 0);
    out.integer("b", 1);
    out.close();
  });
  CHECK_NOTHROW(json::parse(no_room));
}

TEST_CASE("UTF-8 is what RFC 3629 says", "[json]") {
  for (const char* good : {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(is_utf8(good));
  for (const char* bad : {"\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\xff"})
    CHECK_FALSE(is_utf8(bad));
}
