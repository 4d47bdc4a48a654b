#include "tools/functions.hpp"

#include <elf.h>

#include <algorithm>

#include "loader/text.hpp"

namespace sudrun::tools {
namespace {

/// The longest code that is taken for one function: more has to be data, or unknown.
constexpr Word kMaxFunction = 1 << 20;

bool names_code(const Symbol& symbol) noexcept {
  if (!symbol.defined || symbol.name.empty()) return false;
  // Assembly often leaves the type out; its local labels do not count.
  return symbol.type == STT_FUNC || (symbol.type == STT_NOTYPE && symbol.binding != STB_LOCAL);
}

}  // namespace

Functions::Functions(const Binary& binary, const GoProgram& go) : binary_(binary) {
  collect(go);
  find_branches();
  find_pointers(go);
}

void Functions::collect(const GoProgram& go) {
  std::map<Word, FunctionInfo> found;
  const auto add = [&](Word start, std::string_view name) {
    if (binary_.code_at(start) == nullptr) return;
    FunctionInfo& function = found[start];
    function.start = start;
    if (function.name.empty()) function.name = name;
  };
  for (const Symbol& symbol : go.functions) add(symbol.address, symbol.name);
  for (const Symbol& symbol : binary_.symbols())
    if (names_code(symbol)) add(symbol.address, symbol.name);
  const bool complete = !found.empty();
  for (const Symbol& symbol : binary_.dynamic().symbols) {
    if (!names_code(symbol) || binary_.code_at(symbol.address) == nullptr) continue;
    add(symbol.address, symbol.name);
    if (symbol.binding != STB_LOCAL) found[symbol.address].is_exported = true;
  }
  has_names_ = !found.empty();
  if (!complete) {
    std::vector<Word> starts = binary_.unwind_starts();
    sweep(starts);
    for (const Word start : starts) add(start, {});
  }
  add(binary_.image().entry, {});
  for (const CodeRange& range : binary_.code()) add(range.address, {});
  for (const auto& [start, function] : found) all_.push_back(function);
  for (std::size_t i = 0; i < all_.size(); ++i) {
    all_[i].end = binary_.code_at(all_[i].start)->end();
    if (i + 1 < all_.size()) all_[i].end = std::min(all_[i].end, all_[i + 1].start);
  }
}

/// Where calls go, with decoding from end to end: of code without symbols nothing else tells.
void Functions::sweep(std::vector<Word>& starts) {
  for (const CodeRange& range : binary_.code()) {
    std::vector<bool> begins(range.bytes.size());
    std::vector<Word> targets;
    for (std::size_t at = 0; at < range.bytes.size();) {
      const auto rest = range.bytes.subspan(at);
      const auto insn =
          disassembler_.decode(rest.first(std::min<std::size_t>(rest.size(), 15)), range.address + at);
      begins[at] = insn.has_value();
      if (insn && insn->id == X86_INS_CALL && insn->is_relative_branch && range.holds(insn->target))
        targets.push_back(insn->target);
      at += insn ? insn->size : 1;
    }
    for (const Word target : targets)
      if (begins[static_cast<std::size_t>(target - range.address)]) starts.push_back(target);
  }
}

FunctionInfo* Functions::starting_at(Word address) noexcept {
  const auto found = std::lower_bound(all_.begin(), all_.end(), address,
                                      [](const FunctionInfo& f, Word a) { return f.start < a; });
  return found != all_.end() && found->start == address ? &*found : nullptr;
}

void Functions::find_branches() {
  const auto byte = [](std::span<const std::byte> bytes, std::size_t i) {
    return std::to_integer<unsigned>(bytes[i]);
  };
  for (const CodeRange& range : binary_.code()) {
    const auto& bytes = range.bytes;
    for (std::size_t at = 0; at + 2 <= bytes.size(); ++at) {
      const Word here = range.address + at;
      const unsigned first = byte(bytes, at);
      const auto note = [&](Word from, Word to) {
        if (FunctionInfo* const f = starting_at(to); f != nullptr && (from < f->start || from >= f->end))
          branches_.push_back({to, from});
      };
      const auto distance = [&](std::size_t from) { return value_at<std::int32_t>(bytes, from).value_or(0); };
      if (first == 0xe8 || first == 0xe9) {
        note(here, here + 5 + static_cast<Word>(std::int64_t{distance(at + 1)}));
      } else if (first == 0x0f && (byte(bytes, at + 1) & 0xf0) == 0x80) {
        note(here, here + 6 + static_cast<Word>(std::int64_t{distance(at + 2)}));
      } else if (first == 0xeb || (first & 0xf0) == 0x70) {
        note(here, here + 2 + static_cast<Word>(std::int64_t{static_cast<std::int8_t>(byte(bytes, at + 1))}));
      }
      // lea with an address relative to rip; mov of an absolute one.
      Word named = 0;
      if (first == 0x8d && (byte(bytes, at + 1) & 0xc7) == 0x05)
        named = here + 6 + static_cast<Word>(std::int64_t{distance(at + 2)});
      else if ((first & 0xf8) == 0xb8)
        named = static_cast<std::uint32_t>(distance(at + 1));
      else if (first == 0xc7 && (byte(bytes, at + 1) & 0xf8) == 0xc0)
        named = static_cast<std::uint32_t>(distance(at + 2));
      if (named != 0)
        if (FunctionInfo* const f = starting_at(named)) f->is_taken = true;
    }
  }
  std::sort(branches_.begin(), branches_.end(),
            [](const Branch& a, const Branch& b) { return a.to != b.to ? a.to < b.to : a.from < b.from; });
}

/// Words of the loaded data that are addresses of functions, those of relocations to be made included.
void Functions::find_pointers(const GoProgram& go) {
  if (all_.empty()) return;
  const Section* const unwinding = binary_.section(".eh_frame");
  for (const loader::Segment& segment : binary_.image().segments) {
    const auto bytes = binary_.at(segment.vaddr);
    for (Word at = (Word{0} - segment.vaddr) & 7; at + sizeof(Word) <= bytes.size(); at += sizeof(Word)) {
      const Word address = segment.vaddr + at;
      const Word value = *value_at<Word>(bytes, at);
      if (value < all_.front().start || value > all_.back().start) continue;
      if (address >= go.table && address < go.table_end) continue;  // names every function
      if (unwinding != nullptr && address >= unwinding->address &&
          address - unwinding->address < unwinding->bytes.size())
        continue;
      // The entry in a symbol table that is loaded is no pointer anybody calls through.
      if (FunctionInfo* const f = starting_at(value); f != nullptr && !f->is_exported) f->is_taken = true;
    }
  }
}

const FunctionInfo* Functions::at(Word address) const noexcept {
  const auto after = std::upper_bound(all_.begin(), all_.end(), address,
                                      [](Word a, const FunctionInfo& f) { return a < f.start; });
  if (after == all_.begin()) return nullptr;
  const FunctionInfo& function = *(after - 1);
  return address < function.end ? &function : nullptr;
}

const FunctionInfo* Functions::named(std::string_view name) const noexcept {
  const auto found =
      std::find_if(all_.begin(), all_.end(), [&](const FunctionInfo& f) { return f.name == name; });
  return found == all_.end() ? nullptr : &*found;
}

std::span<const Branch> Functions::branches_to(const FunctionInfo& function) const noexcept {
  const auto less = [](const Branch& b, Word to) { return b.to < to; };
  const auto first = std::lower_bound(branches_.begin(), branches_.end(), function.start, less);
  const auto last = std::lower_bound(first, branches_.end(), function.start + 1, less);
  return {first, last};
}

const FunctionCode& Functions::code(const FunctionInfo& function) {
  auto& code = decoded_[function.start];
  if (!code) {
    const CodeRange& range = *binary_.code_at(function.start);
    const Word size = std::min(function.end - function.start, kMaxFunction);
    code = std::make_unique<FunctionCode>(disassembler_, function.start,
                                          range.bytes.subspan(function.start - range.address, size));
    decoded_insns_ += code->insns().size();
  }
  return *code;
}

const Insn* Functions::insn_at(Word address) {
  const FunctionInfo* const function = at(address);
  if (function == nullptr) return nullptr;
  const FunctionCode& code = this->code(*function);
  const auto index = code.index_of(address);
  return index ? &code.insns()[*index] : nullptr;
}

void Functions::trim() {
  constexpr std::size_t kMost = 1'000'000;
  if (decoded_insns_ < kMost) return;
  decoded_.clear();
  decoded_insns_ = 0;
}

std::optional<std::uint32_t> Functions::constant_at(Word address) {
  const auto& segments = binary_.image().segments;
  const auto segment = std::find_if(segments.begin(), segments.end(), [&](const loader::Segment& s) {
    return address >= s.vaddr && address - s.vaddr < s.filesz;
  });
  if (segment == segments.end()) return std::nullopt;
  if ((segment->prot & loader::kWrite) != 0) {
    constexpr std::size_t kMaxAsked = 64;  // each takes a look at all the code
    const auto known = only_loaded_.find(address);
    if (known == only_loaded_.end() && only_loaded_.size() >= kMaxAsked) return std::nullopt;
    if (known == only_loaded_.end()) only_loaded_[address] = is_only_loaded(address);
    if (!only_loaded_[address]) return std::nullopt;
  }
  return value_at<std::uint32_t>(binary_.at(address), 0);
}

/// The instruction at `address` leaves the word at `word` alone, and does not make a pointer to it.
bool Functions::is_harmless(Word address, Word word) {
  const FunctionInfo* const function = at(address);
  if (function == nullptr) return true;
  const auto insns = code(*function).insns();
  const auto after = std::upper_bound(insns.begin(), insns.end(), address,
                                      [](Word a, const Insn& insn) { return a < insn.address; });
  if (after == insns.begin()) return true;
  const Insn& insn = *(after - 1);
  for (unsigned i = 0; i < insn.operand_count; ++i) {
    const Operand& operand = insn.operands[i];
    if (operand.kind != Operand::Kind::mem || (operand.reg != kRip && operand.reg != kNoRegister)) continue;
    const Word target = static_cast<Word>(operand.value) + (operand.reg == kRip ? insn.next() : 0);
    const bool touches = target < word + 4 && word < target + std::max<Word>(operand.size, 1);
    if (insn.id == X86_INS_LEA ? target == word : touches && operand.written) return false;
  }
  // Its address as a number.
  return !std::any_of(insn.operands.begin(), insn.operands.end(), [&](const Operand& operand) {
    return operand.kind == Operand::Kind::imm && !insn.is_jump && !insn.is_call &&
           static_cast<Word>(operand.value) == word;
  });
}

bool Functions::is_only_loaded(Word address) {
  // What refers to it, or to something near that may reach into it, has its distance or its address in it.
  constexpr Word kReach = 64 + 4;  // the widest store, and a number after the distance
  for (const CodeRange& range : binary_.code()) {
    for (std::size_t at = 0; at + 4 <= range.bytes.size(); ++at) {
      const auto distance = *value_at<std::int32_t>(range.bytes, at);
      const Word here = range.address + at;
      const Word named = here + 4 + static_cast<Word>(std::int64_t{distance});
      const bool near =
          address + 4 - named <= kReach || address + 4 - static_cast<std::uint32_t>(distance) <= kReach;
      if (near && !is_harmless(here, address)) return false;
    }
  }
  for (const loader::Segment& segment : binary_.image().segments) {
    const auto bytes = binary_.at(segment.vaddr);
    for (Word at = (Word{0} - segment.vaddr) & 7; at + sizeof(Word) <= bytes.size(); at += sizeof(Word))
      if (*value_at<Word>(bytes, at) == address) return false;
  }
  return true;
}

std::string Functions::label(Word address) const {
  const FunctionInfo* const function = at(address);
  if (function == nullptr || function->name.empty()) return loader::hex(address);
  std::string text = loader::printable(function->name);
  if (address != function->start) text += "+" + loader::hex(address - function->start);
  return text;
}

}  // namespace sudrun::tools
