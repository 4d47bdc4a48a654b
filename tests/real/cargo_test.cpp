// cargo's runner: what it builds for FreeBSD runs under sudrun as if that were this system. No standard
// library for FreeBSD is at hand, so the program is one without even `core`; what the test is about is how
// cargo starts it.
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

constexpr std::string_view kManifest = R"toml(
[package]
name = "count"
version = "0.1.0"
edition = "2021"

[profile.dev]
panic = "abort"
)toml";

// Writes its first argument and exits with the number of arguments. What C calls main's arguments is at rdi.
constexpr std::string_view kProgram = R"rust(
#![feature(no_core, lang_items, rustc_attrs)]
#![no_core]
#![no_main]
#[lang = "sized"]
trait Sized {}
#[lang = "copy"]
trait Copy {}
#[rustc_builtin_macro]
macro_rules! global_asm { () => {} }
global_asm!(
    ".globl _start",
    "_start:",
    "movq %rdi, %rbx",
    "movq 16(%rbx), %rsi",
    "xorl %edx, %edx",
    "1: cmpb $0, (%rsi, %rdx)",
    "je 2f",
    "incl %edx",
    "jmp 1b",
    "2: movl $1, %edi",
    "movl $4, %eax",
    "syscall",
    "movl (%rbx), %edi",
    "movl $1, %eax",
    "syscall",
    options(att_syntax)
);
)rust";

}  // namespace

TEST_CASE("cargo run starts what it has built for FreeBSD", "[cargo]") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "src");
  write_file(directory / "Cargo.toml", kManifest);
  write_file(directory / "src/main.rs", kProgram);
  Command command;
  command.argv = {"/usr/bin/cargo",         "run", "--offline", "--target",
                  "x86_64-unknown-freebsd", "--",  "one",       "two"};
  command.cwd = directory.path();
  command.timeout = std::chrono::minutes(5);
  command.set_env = {
      {"CARGO_HOME", directory / "home"},
      {"CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_RUNNER", sudrun_binary()},
      {"CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_LINKER", "ld.lld"},
      {"PATH", "/usr/bin:/bin"},  // the distribution's: the program knows what this compiler has inside
      {"RUSTC_BOOTSTRAP", "1"},
      {"RUSTFLAGS", "-Clinker-flavor=ld.lld -Crelocation-model=static"}};
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.out == "one");
  CHECK(outcome.exited(3));
}
