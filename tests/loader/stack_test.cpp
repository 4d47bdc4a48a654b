#include "loader/stack.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <map>

using namespace sudrun::loader;
using sudrun::abi::AuxEntry;
using sudrun::abi::StackImage;
using sudrun::abi::Word;

namespace {

constexpr Word kTop = 0x29ff'ffff'f000;
constexpr std::size_t kSize = 8 << 20;

/// Reads a built stack back by guest addresses.
struct View {
  const BuiltStack& stack;
  const std::byte* at(Word address, std::size_t size) const {
    REQUIRE(address >= stack.stack_pointer);
    REQUIRE(address - stack.stack_pointer + size <= stack.bytes.size());
    return stack.bytes.data() + (address - stack.stack_pointer);
  }
  Word word(Word address) const {
    Word value;
    std::memcpy(&value, at(address, 8), 8);
    return value;
  }
  std::uint32_t half(Word address) const {
    std::uint32_t value;
    std::memcpy(&value, at(address, 4), 4);
    return value;
  }
  std::string string(Word address) const {
    std::string text;
    for (; *at(address, 1) != std::byte{0}; ++address) text += static_cast<char>(*at(address, 1));
    return text;
  }
  std::vector<std::string> strings(Word vector) const {
    std::vector<std::string> list;
    for (; word(vector) != 0; vector += 8) list.push_back(string(word(vector)));
    return list;
  }
  std::map<Word, Word> aux() const {
    Word at_env = stack.envp;
    while (word(at_env) != 0) at_env += 8;
    std::map<Word, Word> vector;
    for (Word a = at_env + 8;; a += 16) {
      if (word(a) == 0) return vector;
      vector[word(a)] = word(a + 8);
    }
  }
};

AuxEntry blob(Word type, std::string_view text) {
  AuxEntry entry{type, 0, {}};
  for (const char c : text) entry.blob.push_back(static_cast<std::byte>(c));
  return entry;
}

}  // namespace

TEST_CASE("arguments, environment and auxiliary vector stand in order from the stack pointer up") {
  StackImage layout;
  layout.aux = {{6, 4096, {}}, blob(15, std::string_view("/bin/prog\0", 10)), {9, 0x401000, {}}};
  const std::vector<std::string> argv = {"prog", "", "two words"}, envp = {"A=1", "HOME=/"};
  const auto built = build_stack(layout, argv, envp, kTop, kSize);
  REQUIRE(built);
  const View view{*built};
  CHECK(built->stack_pointer + built->bytes.size() == kTop);
  CHECK(view.word(built->stack_pointer) == 3);
  CHECK(built->argv == built->stack_pointer + 8);
  CHECK(view.strings(built->argv) == argv);
  CHECK(built->envp == built->argv + 4 * 8);
  CHECK(view.strings(built->envp) == envp);
  const auto aux = view.aux();
  CHECK(aux.size() == 3);
  CHECK(aux.at(6) == 4096);
  CHECK(aux.at(9) == 0x401000);
  CHECK(view.string(aux.at(15)) == "/bin/prog");
  CHECK(aux.at(15) % 16 == 0);
  CHECK(built->ps_strings == 0);
}

TEST_CASE("argument and environment strings follow one another without gaps") {
  const std::vector<std::string> argv = {"a", "bc"}, envp = {"D=e"};
  const auto built = build_stack({}, argv, envp, kTop, kSize);
  REQUIRE(built);
  const View view{*built};
  CHECK(view.word(built->argv + 8) == view.word(built->argv) + 2);
  CHECK(view.word(built->envp) == view.word(built->argv + 8) + 3);
}

TEST_CASE("the stack pointer has the remainder modulo 16 the ABI asks for") {
  for (const unsigned remainder : {0U, 8U}) {
    for (std::size_t arguments = 0; arguments < 5; ++arguments) {
      for (std::size_t length = 0; length < 20; ++length) {
        StackImage layout;
        layout.alignment_remainder = remainder;
        const std::vector<std::string> argv(arguments, std::string(length, 'x'));
        const auto built = build_stack(layout, argv, {}, kTop + 13, kSize);
        REQUIRE(built);
        CHECK(built->stack_pointer % 16 == remainder);
        CHECK(View{*built}.strings(built->argv) == argv);
      }
    }
  }
}

TEST_CASE("BSD programs find ps_strings at the very top and its address in the auxiliary vector") {
  StackImage layout;
  layout.ps_strings = true;
  layout.alignment_remainder = 8;
  layout.aux = {{6, 4096, {}}};
  layout.aux_argc = 27;
  layout.aux_argv = 28;
  layout.aux_envc = 29;
  layout.aux_envv = 30;
  layout.aux_ps_strings = 31;
  const std::vector<std::string> argv = {"prog", "x"}, envp = {"A=1"};
  const auto built = build_stack(layout, argv, envp, kTop, kSize);
  REQUIRE(built);
  const View view{*built};
  CHECK(built->ps_strings == kTop - 32);
  CHECK(view.word(built->ps_strings) == built->argv);
  CHECK(view.half(built->ps_strings + 8) == 2);
  CHECK(view.word(built->ps_strings + 16) == built->envp);
  CHECK(view.half(built->ps_strings + 24) == 1);
  const auto aux = view.aux();
  CHECK(aux ==
        std::map<Word, Word>{
            {6, 4096}, {27, 2}, {28, built->argv}, {29, 1}, {30, built->envp}, {31, built->ps_strings}});
}

TEST_CASE("blobs are aligned, kept apart and followed by a zero") {
  StackImage layout;
  for (Word type = 100; type < 140; ++type) layout.aux.push_back(blob(type, std::string(type - 99, '#')));
  const auto built = build_stack(layout, {}, {}, kTop, kSize);
  REQUIRE(built);
  const View view{*built};
  for (const auto& [type, address] : view.aux()) {
    CHECK(address % 16 == 0);
    CHECK(view.string(address) == std::string(type - 99, '#'));
  }
}

TEST_CASE("a program may start with no arguments at all") {
  const auto built = build_stack({}, {}, {}, kTop, kSize);
  REQUIRE(built);
  const View view{*built};
  CHECK(view.word(built->stack_pointer) == 0);
  CHECK(view.word(built->argv) == 0);
  CHECK(view.word(built->envp) == 0);
  CHECK(view.aux().empty());
}

TEST_CASE("what takes more than a quarter of the stack is refused") {
  CHECK(stack_limit(8 << 20) == 2 << 20);
  CHECK(stack_limit(256 << 10) == 128 << 10);
  CHECK(stack_limit(4096) == 4096);
  const auto build = [](std::size_t length, std::size_t size) {
    const std::vector<std::string> argv = {std::string(length, 'x')};
    return build_stack({}, argv, {}, kTop, size);
  };
  CHECK(build((2 << 20) - 4096, kSize));
  const auto refused = build(2 << 20, kSize);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == LoadError::Kind::too_big);
  CHECK_FALSE(build(4096, 4096));
  CHECK_FALSE(build_stack({}, {}, {}, 64, kSize));
}
