#include "loader/rewrite.hpp"

#include <random>

#include "tests/loader/rewrite_support.hpp"

using namespace sudrun::test;

TEST_CASE("a call before padding becomes a short jump to a jump in it", "[rewrite]") {
  const Program program("", kRet + int3(13));
  const Rewrite r = encoded(program);
  CHECK(program.rung() == Rung::padding);
  CHECK(r.hop->address == 0x1083);
  CHECK(byte_of(r.site.after[1]) == 1);
  CHECK(r.stub_size == 13);
  REQUIRE(r.mark_count == 2);
  CHECK((r.marks[0].offset == 0 && r.marks[0].guest == program.site));
  CHECK((r.marks[1].offset == 7 && r.marks[1].guest == program.site));
}

TEST_CASE("padding runs to an aligned address, directly after the flow ends", "[rewrite]") {
  CHECK(Program("", kRet + int3(12) + filler(20)).rung() == Rung::none);
  CHECK(Program("", kRet + int3(12)).rung() == Rung::none);  // cut by the window's end
  CHECK(Program("", int3(14)).rung() == Rung::none);         // executed
  CHECK(Program("", filler(1) + int3(13)).rung() == Rung::none);
  CHECK(Program("", kRet + filler(1) + int3(12)).rung() == Rung::none);  // not known to be code
  CHECK(Program("", kRet + int3(13)).rung() == Rung::padding);
  CHECK(Program("", code("\xeb\xfe") + int3(12)).rung() == Rung::padding);
  CHECK(Program("", code("\x0f\x0b") + int3(12)).rung() == Rung::padding);
  CHECK(Program("", code("\xf4") + int3(13)).rung() == Rung::padding);
  CHECK(Program("", code("\xff\xe0") + int3(12)).rung() == Rung::padding);
  CHECK(Program("", code("\xe9\x00\x01\x00\x00") + int3(9)).rung() == Rung::padding);
  CHECK(Program("", code("\x48\xb8") + int3(8) + int3(4)).rung() != Rung::padding);  // an operand
  // Five bytes are enough, four are not.
  CHECK(Program("", filler(8) + kRet + int3(5)).rung() == Rung::padding);
  CHECK(Program("", filler(9) + kRet + int3(4)).rung() == Rung::none);
}

TEST_CASE("what looks like padding but ends where none does is a literal", "[rewrite]") {
  for (const char fill : {'\xcc', '\x90'}) {
    for (std::size_t size = 5; size <= 40; ++size) {
      for (std::uint64_t site = 0x1080; site < 0x1090; ++site) {
        INFO("site at " << site % 16 << ", " << size << " bytes of " << int(fill));
        const bool aligned = (site + 3 + size) % 16 == 0;
        const Program program("", kRet + std::string(size, fill) + code("\x01\xc3"), site);
        if (!aligned) CHECK(program.rung() == Rung::none);
        // Five of sixteen are more than the byte that is left alone: int3s are padding wherever they are.
        if (aligned && fill == '\xcc') CHECK(program.rung() == Rung::padding);
        if (program.rung() != Rung::none) encoded(program);
      }
    }
  }
  // An end that is not seen is none: it lies further from the call than anything that is looked at.
  CHECK(Program("", filler(13) + kRet + int3(160) + filler(400)).rung() == Rung::padding);
  CHECK(Program("", filler(13) + kRet + int3(176) + filler(400)).rung() == Rung::none);
  CHECK(Program("", filler(13) + kRet + int3(400) + filler(400)).rung() == Rung::none);
  CHECK(Program("", filler(13) + kRet + int3(171) + code("\x66\x90") + int3(3) + filler(400)).rung() ==
        Rung::none);
}

TEST_CASE("NOPs are padding only where nothing runs into them", "[rewrite]") {
  const std::string nops = code("\x66\x0f\x1f\x84\x00\x00\x00\x00\x00\x0f\x1f\x40\x00");  // 9 and 4
  CHECK(Program("", kRet + nops).rung() == Rung::padding);
  CHECK(Program("", kRet + nops.substr(0, 9) + int3(4)).rung() == Rung::padding);
  CHECK(Program("", filler(1) + nops + code("\xc3")).rung() == Rung::none);
  CHECK(Program("", kRet + std::string(13, '\x90')).rung() == Rung::padding);
  // A function that begins with NOPs after eight bytes of padding keeps them.
  const Program patchable("", filler(10) + kRet + int3(3) + std::string(8, '\x90') + kRet);
  CHECK(patchable.rung() == Rung::none);
  CHECK(Program("", filler(10) + kRet + int3(3) + std::string(16, '\x90') + kRet).rung() == Rung::none);
}

TEST_CASE("padding that known code jumps to is not dead", "[rewrite]") {
  // jae into the NOPs: from there on they are live.
  const auto with_jump = [](unsigned char distance) {
    return Program("", std::string("\x73") + char(distance) + code("\xc3") + std::string(11, '\x90'));
  };
  // The padding is at 0x1085 to 0x1090; the jump ends at 0x1084.
  CHECK(with_jump(1).rung() == Rung::none);
  CHECK(with_jump(3).rung() == Rung::none);
  CHECK(with_jump(5).rung() == Rung::none);     // four dead bytes
  CHECK(with_jump(6).rung() == Rung::padding);  // five: 0x1085 to 0x108a
  CHECK(with_jump(12).rung() == Rung::padding);
  CHECK(with_jump(6).plan().hop == 0x1085);
  // From behind, out of a function that follows.
  CHECK(Program("", kRet + std::string(13, '\x90') + code("\xeb\xf1")).rung() == Rung::none);
  CHECK(Program("", kRet + std::string(13, '\x90') + code("\xeb\xf0")).rung() == Rung::padding);
  // From before the site, where a jump behind it goes: to 0x1084, the ret, and to the byte after it.
  const std::string after = back_to(16) + kRet + int3(11);
  CHECK(Program(code("\x73\x12") + filler(14), after).rung() == Rung::padding);
  CHECK(Program(code("\x73\x13") + filler(14), after).rung() == Rung::none);
}

TEST_CASE("an int3 that may begin a function is kept", "[rewrite]") {
  CHECK(Program("", filler(5) + kRet + int3(8) + int3(1) + kRet + filler(14)).rung() == Rung::none);
  // A flow that ends at an aligned address: the first of the sixteen bytes is left alone.
  const Program full("", filler(13) + kRet + int3(16));
  REQUIRE(full.rung() == Rung::padding);
  CHECK(full.plan().hop == 0x1091);
}

TEST_CASE("padding after other code is found where that is known to be code", "[rewrite]") {
  // jae over a ret that has no padding to what follows it; only then padding.
  CHECK(Program("", code("\x73\x01\xc3\xf8\xc3") + int3(9)).rung() == Rung::padding);
  CHECK(Program("", code("\xf8\xf8\xc3\xf8\xc3") + int3(9)).rung() == Rung::none);
  // A loop that is entered at its end: what comes first is known by the jump back.
  CHECK(Program("", code("\xeb\x02\xf8\xc3\x73\xfc\xc3") + int3(7)).rung() == Rung::padding);
  // Too little padding, then another function with enough.
  CHECK(Program("", filler(10) + kRet + int3(3) + filler(8) + kRet + int3(7)).rung() == Rung::padding);
}

TEST_CASE("nothing is known before the site but what the code after it jumps to", "[rewrite]") {
  // Padding, then data, then the load: from the padding on it would decode as `add %bh,0x14(%rax)`.
  for (const std::string& padding : {kRet + int3(15), kRet + std::string(15, '\x90'), kRet + int3(31)}) {
    for (const std::string& data : {code("\x00"), std::string(16, '\0') + code("\x00"), code("\x48")}) {
      const std::uint64_t site = 0x1080 + data.size() + kLoad20.size();
      CHECK(Program(padding + data + kLoad20, filler(20), site).rung() == Rung::none);
      // Without it, the load is one. Zeros decode by twos: an even number of them ends before it.
      CHECK(Program(padding + kLoad20, filler(20), 0x1085).rung() == Rung::load);
    }
  }
  // The same way back from the site: what begins the function is still known from nowhere.
  const std::string function = int3(5) + filler(15) + kRet + int3(16) + filler(16);
  CHECK(Program(function, filler(14)).rung() == Rung::none);
  CHECK(Program(function, back_to(33) + filler(12)).plan().hop == 0x1061);  // to the `ret`
}

TEST_CASE("an instruction is not known to begin where it is reached through padding or a call", "[rewrite]") {
  // As above, but a jump goes back to what comes before the data. (The call may be one that never returns.)
  for (const std::string& way : {kRet + int3(4), code("\xe8\x00\x08\x00\x00")}) {
    const std::string before = way + code("\x00") + kLoad20;
    CHECK(Program(before, back_to(before.size()) + filler(20), 0x1096).rung() == Rung::none);
  }
}

TEST_CASE("a short jump reaches 127 bytes ahead and 128 back", "[rewrite]") {
  // The padding is at 0x1103 to 0x1110.
  const auto ahead = [](std::uint64_t site) {
    return Program("", filler(0x1102 - (site + 2)) + kRet + int3(13), site).rung();
  };
  CHECK(ahead(0x1082) == Rung::padding);
  CHECK(ahead(0x1081) == Rung::none);
  // The padding is at 0x1060 to 0x1070.
  const auto back = [](std::uint64_t site) {
    std::string after = filler(5) + code("\x0f\x82") + std::string(4, '\xff') + filler(5);
    after[7] = static_cast<char>(0x105f - (site + 13));  // jb to the `ret`
    return Program(kRet + int3(16) + filler(site - 0x1070), after, site);
  };
  const std::uint64_t last = 0x106b;
  CHECK(back(last + 126).rung() == Rung::padding);
  CHECK(back(last + 126).plan().hop == last);
  CHECK(back(last + 127).rung() == Rung::none);
}

TEST_CASE("no edit straddles a line of 64 bytes", "[rewrite]") {
  for (std::uint64_t site = 0x1080; site < 0x10c0; ++site) {
    INFO("site at " << site % 64);
    const std::string to_padding = filler((29 - site % 16) % 16);
    const Program padded("", to_padding + kRet + int3(16), site);
    CHECK((padded.rung() == Rung::padding) == (site % 64 != 63));
    const Program loaded(filler(20) + kLoad20, filler(40), site);
    CHECK((loaded.rung() == Rung::load) == ((site - 5) % 64 <= 59));
    const Program moved("", kCompare + filler(40), site);
    CHECK((moved.rung() == Rung::relocation) == (site % 64 <= 59));
    for (const Program* program : {&padded, &loaded, &moved}) {
      if (program->rung() != Rung::none) encoded(*program, 0x100000);
    }
  }
}

TEST_CASE("padding is used once, and from its beginning", "[rewrite]") {
  const Program program(filler(20) + kLoad20, kRet + int3(13));
  Hops taken;
  CHECK(encoded(program).hop->address == 0x1083);
  taken.emplace_back(0x1083, 0x1088);
  CHECK(encoded(program, 0x100000, 20, taken).hop->address == 0x1088);
  taken.emplace_back(0x1088, 0x108d);
  CHECK(program.plan(20, taken).rung == Rung::load);
  CHECK(program.plan(20, {{0x1084, 0x1085}}).hop == 0x1085);
  CHECK(program.plan(20, {{0x1000, 0x1100}}).rung == Rung::load);
}

TEST_CASE("a load of the number before the call becomes the jump", "[rewrite]") {
  for (const std::string& load : {kLoad20, kLongLoad20}) {
    for (const std::string& between : {std::string(), kSaveRcx}) {
      const Program program(filler(20) + load + between, filler(20), 0x10a0);
      REQUIRE(program.rung() == Rung::load);
      const Rewrite r = encoded(program);
      CHECK(r.site.address == program.site - load.size() - between.size());
      CHECK(r.mark_count == (between.empty() ? 3 : 4));
      CHECK(r.marks[0].guest == r.site.address);
      CHECK(r.marks[r.mark_count - 2].guest == program.site);
      CHECK(program.rung(21) == Rung::none);
      CHECK(program.rung(std::nullopt) == Rung::load);
    }
  }
  CHECK(Program(filler(20) + kLoad20 + filler(1), filler(20)).rung() == Rung::none);
  CHECK(Program(filler(20) + code("\x48\x89\xfe") + kLoad20, filler(20)).rung() == Rung::load);
  CHECK(Program(filler(20) + kLoad20 + kSaveRcx + kSaveRcx, filler(20), 0x10a0).rung() == Rung::none);
  // Numbers that look like something else.
  for (const std::uint32_t number : {0xccccccccU, 0x90909090U, 0x050f050fU, 0xc3c3c3c3U, 0xffffffffU, 0U}) {
    std::string load(5, '\xb8');
    std::memcpy(load.data() + 1, &number, 4);
    const Program program(filler(20) + load, filler(20));
    CHECK(program.rung(number) == Rung::load);
    encoded(program, 0x100000, number);
  }
}

TEST_CASE("a load that may be the end of another instruction is left alone", "[rewrite]") {
  for (const std::string& owner : {
           code("\x04"),              // add to al, of that one byte
           code("\x48"),              // movabs
           code("\x41"),              // mov to r8d
           code("\x66"),              // mov to ax
           code("\xc7\x44\x24"),      // disp8, immediate
           code("\x48\x05\x00\x00"),  // immediate
           code("\xe8\x00"),          // call
       }) {
    CHECK(Program(filler(20) + owner + kLoad20, filler(20), 0x10a0).rung() == Rung::none);
  }
  // It is known where an instruction begins if a jump goes before it: 05 is the end of the `add` there.
  const std::string ambiguous = code("\x80\xc1\x05");
  CHECK(Program(filler(20) + ambiguous + kLoad20, filler(20), 0x10a0).rung() == Rung::none);
  CHECK(Program(filler(20) + ambiguous + kLoad20, back_to(8) + filler(20), 0x10a0).rung() == Rung::load);
  CHECK(Program(filler(20) + ambiguous + kLoad20, back_to(6) + filler(20), 0x10a0).rung() == Rung::none);
}

TEST_CASE("a load needs the code before it, and nobody may jump into it", "[rewrite]") {
  CHECK(Program(filler(14) + kLoad20, filler(20)).rung() == Rung::load);
  CHECK(Program(filler(13) + kLoad20, filler(20)).rung() == Rung::none);
  CHECK(Program(kLoad20, filler(20)).rung() == Rung::none);
  CHECK(Program(kLoad20.substr(1), filler(20)).rung() == Rung::none);
  // jb back to the load itself, to the call, and into the load.
  const auto back = [](int distance) {
    return Program(filler(20) + kLoad20, code("\xf8\x72") + char(distance) + code("\x06")).rung();
  };
  CHECK(back(-10) == Rung::load);
  CHECK(back(-5) == Rung::none);  // who comes that way would go on trapping
  for (int distance = -9; distance < -5; ++distance) CHECK(back(distance) == Rung::none);
}

TEST_CASE("the jump may stand further before the call, in code that a jump goes to", "[rewrite]") {
  // As in Go before 1.17 for FreeBSD: the call straddles a line, so does the instruction right before it.
  const std::string clock = code(
      "\x48\x83\xec\x28\x48\x89\x6c\x24\x20\x48\x8d\x6c\x24\x20"
      "\xb8\xe8\x00\x00\x00\x48\xc7\xc7\x00\x00\x00\x00\x48\x8d\x74\x24\x08");
  const Program program(clock, back_to(clock.size()) + kRet, 0x10bf);
  const Rewrite r = encoded(program, 0x100000, 232);
  REQUIRE(program.rung(232) == Rung::load);
  CHECK(r.site.address == 0x10ba);  // lea 8(%rsp),%rsi
  CHECK(r.stub_size == 5 + 13);
  Program called(clock, kRet, 0x10bf);
  CHECK(called.rung(232) == Rung::none);  // not known
  called.entry = called.start;
  CHECK(encoded(called, 0x100000, 232).site.address == 0x10ba);

  const auto before = [](const std::string& text, std::uint64_t start = 0x1090) {
    return Program(text, back_to(text.size()) + filler(20), start + text.size());
  };
  const std::string small = code("\x89\xdf");  // mov %ebx,%edi
  CHECK(before(kLoad20 + small).rung() == Rung::load);
  CHECK(before(kLoad20 + small + small + small).rung() == Rung::load);
  CHECK(before(kLoad20 + small + small + small + small).rung() == Rung::none);  // too far
  CHECK(before(kLoad20 + small).rung(99) == Rung::load);  // whatever it loads, the stub loads it
  encoded(before(kLoad20 + small + small + small));
  encoded(before(kLongLoad20 + kSaveRcx + small));
  for (const std::string& other :
       {code("\x8b\x05\x00\x01\x00\x00"), code("\xf8"), code("\xe8\x00\x01\x00\x00"), code("\x73\x10"),
        code("\x0f\x05"), code("\xcc")}) {
    CHECK(before(kLoad20 + other).rung() == Rung::none);
  }
  // A load that straddles a line gives way to another instruction before it.
  CHECK(encoded(before(filler(22) + kLongLoad20 + kLoad20, 0x10a0)).site.address == 0x10b6);
  // Nobody may enter on the way; who does gets the call moved, if that can be.
  const std::string jump = code("\x73\x05");  // jae to the second instruction
  const std::string entered = jump + kLoad20 + small;
  CHECK(Program(entered, filler(5) + back_to(entered.size() + 5), 0x1099).rung() == Rung::none);
  CHECK(Program(entered, kCompare + back_to(entered.size() + 6), 0x1099).rung() == Rung::relocation);
}

TEST_CASE("an instruction is known to begin in a function that has been called", "[rewrite]") {
  const std::string load = code("\x80\xc1\x05") + kLoad20;  // 05 may be an instruction of five bytes
  const auto called = [&](const std::string& before, int at, const std::string& after = kRet) {
    Program program(filler(20) + before + load, after, 0x10bf);
    program.entry = program.site - before.size() - load.size() + static_cast<std::uint64_t>(at);
    return program;
  };
  CHECK(Program(filler(20) + load, kRet, 0x10bf).rung() == Rung::none);
  CHECK(called("", 0).rung() == Rung::load);
  CHECK(encoded(called("", 0)).site.address == 0x10ba);
  CHECK(called("", 3).rung() == Rung::load);  // the load itself
  CHECK(called("", 8).rung() == Rung::none);  // the call, and so nothing before it
  CHECK(called("", -5).rung() == Rung::load);
  // What is called elsewhere, or never arrives at the call, says nothing.
  CHECK(called("", 4).rung() == Rung::none);
  CHECK(called("", 2).rung() == Rung::none);
  CHECK(called("", -1000).rung() == Rung::none);
  CHECK(called("", 1000).rung() == Rung::none);
  CHECK(called(kRet, 0).rung() == Rung::none);
  CHECK(called(code("\xeb\x03"), 0).rung() == Rung::load);
  CHECK(called(code("\xeb\x04"), 0).rung() == Rung::none);
  CHECK(called(code("\x75\x0a"), 0).rung() == Rung::load);  // past the call, or not
  CHECK(called(code("\x75\x05"), 0).rung() == Rung::none);  // into the load
}

TEST_CASE("what follows the call moves into the stub", "[rewrite]") {
  const Program program("", kCompare + code("\x0f\x83\x00\x01\x00\x00") + filler(20));
  const Rewrite r = encoded(program);
  CHECK(r.stub_size == 13 + 7 + 6 + 5);
  CHECK(r.site.size == 5);
  CHECK(r.forward(0x1082) == r.stub_address + 20);
  CHECK_FALSE(r.forward(0x1083));
  CHECK_FALSE(r.forward(0x1080));
  REQUIRE(r.mark_count == 5);
  CHECK(r.marks[2].guest == 0x1082);
  CHECK(r.marks[3].guest == 0x1082);
  CHECK(r.marks[4].guest == 0x1088);
  // Short jumps become long ones, to the same place; every displaced instruction gets its int3.
  for (const std::string& after : {
           code("\x73\x20\x89\xc3"),                          // jae; mov
           code("\x72\x20\xc3"),                              // jb; ret
           code("\x98\x99\x50"),                              // three of one byte
           code("\x98\x73\x20"),                              // one and two
           code("\x0f\x82\x00\x01\x00\x00"),                  // near jb
           code("\xe9\x00\x01\x00\x00"),                      // jmp
           code("\x89\xc7\xeb\x20"),                          // mov; short jmp
           code("\x64\x89\x04\x25\x00\x00\x00\x00"),          // mov %eax,%fs:0
           code("\x48\xb8\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc"),  // movabs
           code("\xf7\xd8\x64\x41\x89\x04\x24"),              // neg; mov %eax,%fs:(%r12)
           code("\x73\x7f\x73\x7f"),
           code("\x48\x83\xc4\x18"),
           code("\x72\xfc"  // jb to the site itself
                "\x89\xc3"),
       }) {
    const Program moved("", after + filler(1), 0x50000080);
    INFO("code " << Catch::Detail::stringify(after));
    REQUIRE(moved.rung() == Rung::relocation);
    encoded(moved, 0x1000);
  }
}

TEST_CASE("what cannot be moved stays", "[rewrite]") {
  for (const std::string& after : {
           code("\xe8\x00\x01\x00\x00"),          // call
           code("\xff\xd0\x90"),                  // call *%rax
           code("\x48\x8b\x05\x00\x01\x00\x00"),  // rip-relative
           code("\x48\x8d\x05\x00\x01\x00\x00"),
           code("\xe2\x10\x90"),
           code("\xe3\x10\x90"),  // loop, jrcxz
           code("\x0f\x05\x90"),
           code("\x0f\x34\x90"),
           code("\xcd\x80\x90"),
           code("\xcc\x90\x90"),
           code("\xc7\xf8\x00\x01\x00\x00"),  // xbegin
           code("\x66\x0f\x82\x00\x01"),      // jb with a prefix that processors disagree about
           code("\x2e\x73\x20"),              // jae with a prefix
           code("\xf3\x0f\x1e\xfa"),          // endbr64
           code("\xc3\xf8\xf8\xf8"),          // the flow ends too early
           code("\xeb\x10\xf8\xf8"),
           code("\x06\xf8\xf8\xf8"),  // not an instruction
           code("\x98\x06\xf8\xf8"),
           code("\x48\x3d\x01\xf0"),  // cut by the window's end
           code("\x98"),
           code(""),
           code("\x73\xfe\x89\xc3"),  // jumps to itself
           code("\x89\xc3\x73\xfd"),  // into the middle of what is displaced
           code("\x89\xc3\x73\xfc"),
           kCompare + code("\x73\xf8"),  // from further on
       }) {
    INFO("code " << Catch::Detail::stringify(after));
    CHECK(Program("", after).rung() == Rung::none);
  }
  // A displacement of three int3s and more goes far back: there must be something.
  const std::string three = code("\x98\x99\x50");
  CHECK(Program("", three, 0x1080).rung() == Rung::none);
  CHECK(Program("", three, 0x33333400).rung() == Rung::relocation);
}

TEST_CASE("a stub is placed where the jump can have the bytes it must have", "[rewrite]") {
  struct Case {
    std::string after;
    std::uint32_t mask, value;
  };
  const Case cases[] = {
      {kRet + int3(13), 0, 0},
      {kCompare, 0xff00, 0xcc00},
      {code("\x98") + kCompare, 0xffff00, 0xcccc00},
      {code("\x98\x99\x50"), 0xffffff00, 0xcccccc00},
      {code("\x89\xc3\x98"), 0xff00ff00, 0xcc00cc00},
  };
  std::mt19937_64 random(1);
  for (const Case& c : cases) {
    const Program program("", c.after, 0x7000000080);
    const RewritePlan plan = program.plan();
    REQUIRE(plan.rung == (c.mask == 0 ? Rung::padding : Rung::relocation));
    CHECK(plan.pun_mask == c.mask);
    CHECK(plan.pun_value == c.value);
    const auto acceptable = [&](std::uint64_t a) {
      const auto distance = static_cast<std::int64_t>(a - plan.near());
      return a % 64 == 0 && distance >= INT32_MIN && distance <= INT32_MAX &&
             (static_cast<std::uint32_t>(distance) & c.mask) == c.value;
    };
    // Nothing lower would have done: every distance is looked at, 256 at a time.
    const auto lowest = [&](std::uint64_t from) -> std::optional<std::uint64_t> {
      std::int64_t distance =
          std::max<std::int64_t>(static_cast<std::int64_t>(from - plan.near()), INT32_MIN);
      for (; distance <= INT32_MAX; distance = (distance | 255) + 1) {
        if ((static_cast<std::uint32_t>(distance) & c.mask) != c.value) continue;
        for (std::int64_t d = distance; d <= (distance | 255); ++d) {
          const std::uint64_t address = plan.near() + static_cast<std::uint64_t>(d);
          if (address % 64 == 0) return acceptable(address) ? std::optional(address) : std::nullopt;
        }
      }
      return std::nullopt;
    };
    for (unsigned round = 0; round < 10; ++round) {
      const std::uint64_t from = plan.near() - 0x80000100 + random() % 0x100000200;
      const auto stub = plan.stub_at_or_after(from);
      REQUIRE(stub == lowest(from));
      if (!stub) continue;
      REQUIRE(plan.accepts(*stub));
      Disassembler disassembler;
      const auto rewrite = encode(disassembler, plan, *stub, *stub + 0x1000);
      REQUIRE(rewrite);
      verify(program.window(), program.site, {}, plan, *rewrite, *stub, *stub + 0x1000);
    }
    // Across the borders of what is acceptable.
    for (std::uint64_t from = *plan.stub_at_or_after(plan.near() - 0x40000000), end = from + 0x200;
         from < end; from += 13) {
      REQUIRE(plan.stub_at_or_after(from) == lowest(from));
    }
  }
}

TEST_CASE("what is out of reach is refused", "[rewrite]") {
  Disassembler disassembler;
  for (const std::string& after : {kRet + int3(13), kCompare}) {
    const Program program("", after, 0x7000000080);
    const RewritePlan plan = program.plan();
    const std::uint64_t lowest = *plan.stub_at_or_after(0), slot = program.site + 0x1000;
    CHECK(lowest >= plan.near() - 0x80000000);
    CHECK_FALSE(encode(disassembler, plan, lowest - 64, slot));
    CHECK_FALSE(encode(disassembler, plan, lowest + 1, slot));
    CHECK_FALSE(plan.accepts(0));
    CHECK_FALSE(plan.stub_at_or_after(plan.near() + 0x80000000));
    CHECK_FALSE(plan.stub_at_or_after(~0ULL));
    const std::uint64_t stub = *plan.stub_at_or_after(program.site);
    CHECK(encode(disassembler, plan, stub, slot));
    CHECK(encode(disassembler, plan, stub, stub + 13 + 0x7fffffff));
    CHECK_FALSE(encode(disassembler, plan, stub, stub + 13 + 0x80000000));
    CHECK(encode(disassembler, plan, stub, stub + 13 - 0x80000000));
    CHECK_FALSE(encode(disassembler, plan, stub, stub + 12 - 0x80000000));
  }
  CHECK_FALSE(encode(disassembler, RewritePlan{}, 0x1000, 0x2000));
  CHECK_FALSE(RewritePlan{}.stub_at_or_after(0));
  // The target of a jump that moves may be out of the stub's reach although the site is not.
  const Program far_jump("", code("\x0f\x83\x00\x00\x00\x7f"), 0x7000000080);
  const RewritePlan plan = far_jump.plan();
  REQUIRE(plan.rung == Rung::relocation);
  const std::uint64_t stub = *plan.stub_at_or_after(far_jump.site - 0x70000000);
  CHECK_FALSE(encode(disassembler, plan, stub, stub + 64));
  CHECK(encode(disassembler, plan, *plan.stub_at_or_after(far_jump.site), far_jump.site));
}

TEST_CASE("a site that is no system call, or not in the window, has no plan", "[rewrite]") {
  Disassembler disassembler;
  const Bytes bytes = bytes_of(kCall + kRet + int3(13));
  const auto rung = [&](std::uint64_t start, std::uint64_t site) {
    return plan_rewrite(disassembler, {start, bytes}, site, 0, {}, {}).rung;
  };
  CHECK(rung(0x1000, 0x1000) == Rung::padding);
  CHECK(rung(0x1000, 0x1001) == Rung::none);
  CHECK(rung(0x1000, 0xfff) == Rung::none);
  CHECK(rung(0x1000, 0x100f) == Rung::none);
  CHECK(rung(0x1000, 0x1010) == Rung::none);
  CHECK(rung(0x1000, 0x2000) == Rung::none);
  CHECK(rung(0, 0) == Rung::padding);
  CHECK(rung((1ULL << 47) - 16, (1ULL << 47) - 16) == Rung::padding);
  CHECK(rung((1ULL << 47) - 15, (1ULL << 47) - 15) == Rung::none);
  CHECK(rung(~0ULL - 7, ~0ULL - 7) == Rung::none);
  CHECK(plan_rewrite(disassembler, {0x1000, {}}, 0x1000, 0, {}, {}).rung == Rung::none);
}
