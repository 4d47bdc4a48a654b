#include "abi/table_keys.hpp"

#include <array>

namespace sudrun::abi {

namespace {

using Words = std::span<const std::string_view>;

// The order is that of the enumerations the reader casts to.
constexpr std::string_view kRegisters[] = {"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
                                           "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp"};
constexpr std::string_view kErrorStyles[] = {"negative", "carry"};
constexpr std::string_view kThreadPointers[] = {"fs"};
constexpr std::string_view kDefaults[] = {"terminate", "core", "ignore", "stop", "continue"};
constexpr std::string_view kKinds[] = {"bits", "enum"};
constexpr std::string_view kUnknown[] = {"refuse", "ignore", "keep"};
constexpr std::string_view kSysctlTypes[] = {"int", "uint",   "long",   "ulong", "s64",
                                             "u64", "string", "struct", "node"};

constexpr KeySpec kNote{.name = "note", .about = "for people"};

constexpr KeySpec kNoteKeys[] = {
    {.name = "name", .required = true, .about = "the note's owner, e.g. `GNU`"},
    {.name = "type", .form = Form::integer, .required = true, .max = 0xffff'ffff, .about = "its type"},
};
constexpr MapSpec kElfNote{.title = "identify: notes", .keys = kNoteKeys, .about = "An ELF note."};

constexpr KeySpec kIdentifyKeys[] = {
    {.name = "osabi", .form = Form::integer, .max = 255, .about = "`e_ident[EI_OSABI]`"},
    {.name = "notes",
     .form = Form::map,
     .shape = Shape::list,
     .map = &kElfNote,
     .about = "ELF notes that its programs have"},
    {.name = "interpreters", .shape = Shape::list, .about = "absolute paths of its dynamic linkers"},
    {.name = "entry_code",
     .about = "what static programs without any other mark begin with: 4 to 16 bytes, each as two of the "
              "digits 0-9 and a-f"},
};
constexpr MapSpec kIdentify{
    .title = "identify",
    .keys = kIdentifyKeys,
    .about = R"md(How a program is recognised. A mark must be one that no Linux program can have.

    identify:
      osabi: 9
      notes: [{name: Example, type: 1}]
      interpreters: [/libexec/ld-elf.so.1]
      entry_code: "488d7708")md"};

constexpr KeySpec kConventionKeys[] = {
    {.name = "number",
     .form = Form::choice,
     .required = true,
     .choices = kRegisters,
     .about = "register with the call's number"},
    {.name = "args",
     .form = Form::choice,
     .shape = Shape::list,
     .required = true,
     .choices = kRegisters,
     .about = "registers with the arguments, at most 6; none if they are on the stack"},
    {.name = "stack_args",
     .form = Form::integer,
     .min = 8,
     .max = 128,
     .about = "byte offset from rsp of the first argument behind those, a multiple of 8; without it there "
              "are none"},
    {.name = "result",
     .form = Form::choice,
     .required = true,
     .choices = kRegisters,
     .about = "register with the result"},
    {.name = "result2",
     .form = Form::choice,
     .choices = kRegisters,
     .about = "register with the second result; without it there is none"},
    {.name = "clears_result2",
     .form = Form::boolean,
     .about = "success of a call with one result leaves 0 in `result2`; without it what was there"},
    {.name = "error",
     .form = Form::choice,
     .required = true,
     .choices = kErrorStyles,
     .about = "how a call fails: `carry` (a positive errno, CF set) or `negative` (-errno)"},
    {.name = "indirect",
     .form = Form::integer,
     .shape = Shape::list,
     .max = 0x7fff,
     .about = "numbers whose first argument is the real number, at most 4"},
    {.name = "thread_pointer",
     .form = Form::choice,
     .choices = kThreadPointers,
     .about = "segment of the thread pointer"},
    {.name = "at_fdcwd",
     .form = Form::integer,
     .min = -0x8000'0000LL,
     .max = 0xffff'ffff,
     .about = "the working directory where a `dirfd` is wanted; without it -100, Linux's"},
};
constexpr MapSpec kConvention{
    .title = "convention",
    .keys = kConventionKeys,
    .about = R"md(How a call is made. A register is one of `rax rbx rcx rdx rsi rdi rbp rsp r8 … r15`.

    convention:
      number: rax
      args: [rdi, rsi, rdx, r10, r8, r9]
      stack_args: 8
      result: rax
      result2: rdx
      error: carry
      indirect: [0, 198]
      at_fdcwd: 0xfffafdcd

Traces and structures show the system's own `AT_FDCWD`; handlers and native calls get Linux's, and a `dirfd` that is -100 where
that means nothing is no descriptor (EBADF).)md"};

constexpr KeySpec kErrnoKeys[] = {
    {.name = "value", .form = Form::integer, .required = true, .min = 1, .max = 4095, .about = "the number"},
    {.name = "native", .about = "another native name, or `none`"},
    kNote,
};
constexpr MapSpec kErrno{.title = "errno",
                         .plain = "value",
                         .keys = kErrnoKeys,
                         .about = R"md(One error. The same name must exist in `linux-amd64.yaml`,
or `native` says what stands for it.

    errno:
      EPERM: 1
      EDOOFUS: {value: 88, native: none, note: "never produced by Linux"}
      ENOATTR: {value: 87, native: ENODATA}
    errno_from_native:
      ECHRNG: EINVAL

Every native error needs a form: a row here, or one in `errno_from_native`, where `default: EIO` stands for all the rest.)md"};

constexpr KeySpec kSignalKeys[] = {
    {.name = "value", .form = Form::integer, .required = true, .min = 1, .max = 128, .about = "the number"},
    {.name = "native", .about = "another native name, `NAME+N`, or `none`"},
    {.name = "default",
     .form = Form::choice,
     .choices = kDefaults,
     .about = "the default action, where it differs from that of the native signal"},
    kNote,
};
constexpr MapSpec kSignal{.title = "signals", .plain = "value", .keys = kSignalKeys, .about = R"md(One signal.

    signals:
      SIGHUP: 1
      SIGEMT: {value: 7, native: SIGRTMIN+2}
      SIGRT80: {value: 80, native: none, note: "..."})md"};

constexpr KeySpec kFlagValueKeys[] = {
    {.name = "value", .form = Form::word, .required = true, .about = "its bits, or the number"},
    {.name = "field",
     .form = Form::word,
     .about = "makes a field of several bits inside a set of bits: the mask around the value"},
    {.name = "native",
     .about = "another native name, `none` (no native form: the bit is dropped) or `refuse` (the call fails "
              "with EINVAL)"},
    kNote,
};
constexpr MapSpec kFlagValue{.title = "flags: values",
                             .plain = "value",
                             .keys = kFlagValueKeys,
                             .about = "One bit, field or number of a set."};

constexpr KeySpec kFlagSetKeys[] = {
    {.name = "kind",
     .form = Form::choice,
     .required = true,
     .choices = kKinds,
     .about = "bits that are joined, or numbers of which one is given"},
    {.name = "unknown",
     .form = Form::choice,
     .choices = kUnknown,
     .about =
         "what becomes of others: `refuse` (EINVAL; the default), `ignore` (sets of bits only) or `keep`"},
    {.name = "trace_only", .form = Form::boolean, .about = "never translated, only printed"},
    {.name = "values",
     .form = Form::map,
     .shape = Shape::rows,
     .required = true,
     .row_key = RowKey::name,
     .map = &kFlagValue,
     .about = "by name; a file that extends another adds to them"},
    kNote,
};
constexpr MapSpec kFlagSet{
    .title = "flags",
    .keys = kFlagSetKeys,
    .about =
        R"md(A named set of bits or numbers. It matches the set of the same name in `linux-amd64.yaml`, and value names match inside it.

    flags:
      open_flags:
        kind: bits
        unknown: refuse
        values:
          O_RDONLY: {value: 0, field: 0x3}
          O_WRONLY: {value: 1, field: 0x3}
          O_APPEND: 8
          O_EXLOCK: {value: 0x20, native: none, note: "handled by open"})md"};

constexpr KeySpec kFieldKeys[] = {
    {.name = "at", .form = Form::field, .required = true, .about = "`TYPE@OFFSET`"},
    {.name = "flags", .form = Form::name, .about = "the flag set that translates it; for integers"},
    {.name = "role",
     .form = Form::role,
     .about = "what traces show it as, and changes nothing else: any role below, with fields of the same "
              "structure in place of arguments"},
    {.name = "native", .about = "another native field, or `none`: the field stays zero"},
    kNote,
};
constexpr MapSpec kField{
    .title = "structs: fields", .plain = "at", .keys = kFieldKeys, .about = R"md(One field. Its type is one of
`i8 i16 i32 i64 u8 u16 u32 u64`, `char[N]`, `pad[N]`, or a structure written before it, whose
fields may as well stand here as `outer.inner`. `in_buf(iov_len)` on a pointer shows what it
points to. Two roles are for fields only: `signal_set` on `char[N]` or an integer (bit 0 is signal 1), and `length`, the length of a
record (see `in_records`).)md"};

constexpr KeySpec kStructKeys[] = {
    {.name = "size", .form = Form::integer, .required = true, .min = 1, .max = 0xfff0, .about = "in bytes"},
    {.name = "fields",
     .form = Form::map,
     .shape = Shape::rows,
     .required = true,
     .row_key = RowKey::text,
     .map = &kField,
     .about = "by name"},
    {.name = "native", .about = "another native structure, or `none`: no conversion, a handler does it"},
    kNote,
};
constexpr MapSpec kStruct{.title = "structs",
                          .keys = kStructKeys,
                          .about = R"md(A structure's layout. Without `native` it converts to and
from the native structure of the same name, field by field.

    structs:
      timespec: {size: 16, fields: {tv_sec: i64@0, tv_nsec: i64@8}}
      stat:
        size: 224
        native: none
        fields: {st_dev: u64@0, st_mode: {at: u16@24, flags: mode_bits}})md"};

constexpr KeySpec kVariantKeys[] = {
    {.name = "by",
     .form = Form::name,
     .about = "the flag set of the cases, or `signals`; without it they are numbers"},
    {.name = "cases",
     .form = Form::role,
     .shape = Shape::rows,
     .required = true,
     .about = "value, or `default`, to role"},
    kNote,
};
constexpr MapSpec kVariant{.title = "variants",
                           .keys = kVariantKeys,
                           .about = R"md(An argument whose meaning another decides. For traces
only: in a call the variant is the word it was given, and a handler looks at it.

    variants:
      fcntl_arg:
        by: fcntl_cmd
        cases: {F_SETFD: fd_flags, F_GETLK: inout(flock), default: hex}
      umtx_timeout:
        cases: {24: in(umtx_time), default: "in(timespec)?"}

A row uses one as `arg: "variant(fcntl_arg,cmd)"`,
  where `cmd` is the argument that decides; its value, or the number it points to, is
looked up in `cases`. Roles there may name any argument of that call (or field of that structure), and may be variants again.)md"};

constexpr KeySpec kTableKeys[] = {
    {.name = "extends",
     .about = "the built-in table, or the file, that this one changes (above); relative to this file, then "
              "searched for as `--table` does"},
    {.name = "abi",
     .required = true,
     .about = "name of the ABI, e.g. `linux-amd64` (what `--abi` takes): lower-case letters, digits, "
              "`-`, `_`, `.`"},
    {.name = "title", .required = true, .about = "one line for people"},
    {.name = "personality",
     .form = Form::name,
     .required = true,
     .about = "the C++ personality in `abi/` that owns the handlers (`linux`…)"},
    {.name = "source",
     .form = Form::source,
     .shape = Shape::rows,
     .required = true,
     .about = "where the facts come from: `release`, which programs see, `files`, `revision`…"},
    {.name = "identify",
     .form = Form::map,
     .required = true,
     .map = &kIdentify,
     .about = "how a program is recognised"},
    {.name = "sysroot", .about = "for people: what directory `--sysroot` is to name, and how to get one"},
    {.name = "releases",
     .form = Form::integer,
     .shape = Shape::rows,
     .max = 0xffff'ffff,
     .about = "releases of the system that programs may be shown: name to the number by which they compare "
              "releases"},
    {.name = "convention",
     .form = Form::map,
     .required = true,
     .map = &kConvention,
     .partial = true,
     .about = "registers and error style"},
    {.name = "errno",
     .form = Form::map,
     .shape = Shape::rows,
     .required = true,
     .row_key = RowKey::name,
     .map = &kErrno,
     .about = "errors by name"},
    {.name = "errno_from_native",
     .form = Form::name,
     .shape = Shape::rows,
     .row_key = RowKey::name,
     .about =
         "native errors that have no row of their own: native name to guest name; `default` is all others"},
    {.name = "signals",
     .form = Form::map,
     .shape = Shape::rows,
     .required = true,
     .row_key = RowKey::signal,
     .map = &kSignal,
     .about = "signals by name"},
    {.name = "flags",
     .form = Form::map,
     .shape = Shape::rows,
     .row_key = RowKey::name,
     .map = &kFlagSet,
     .partial = true,
     .about = "named sets of bits and enumerations"},
    {.name = "structs",
     .form = Form::map,
     .shape = Shape::rows,
     .row_key = RowKey::name,
     .map = &kStruct,
     .about = "structure layouts"},
    {.name = "variants",
     .form = Form::map,
     .shape = Shape::rows,
     .row_key = RowKey::name,
     .map = &kVariant,
     .about = "arguments whose meaning another argument decides, for traces"},
    {.name = "calls",
     .form = Form::map,
     .shape = Shape::rows,
     .required = true,
     .row_key = RowKey::number,
     .max = 65535,
     .map = &kCallRow,
     .partial = true,
     .about = "one row per call number"},
    {.name = "classes",
     .form = Form::map,
     .map = &kCallClasses,
     .about = "lists of calls that traces name together"},
    {.name = "sysctl",
     .form = Form::any,
     .shape = Shape::rows,
     .about = "what nodes of the system's sysctl tree that hold a number or a text are to say instead: "
              "`kern.maxproc: 99`"},
};
constexpr MapSpec kTable{
    .title = "Top-level keys",
    .keys = kTableKeys,
    .about =
        R"md(A file is a whole table, or says by `extends` which one it changes. Then every key may be left out, and so does the ABI's name: the changed table takes the place of the one it extends. Rows
of `errno`, `signals`, `flags`, `structs`, `variants` and `calls` are added, or stand in for those of the same name or number; keys of
`identify` and `convention` likewise.

    extends: example-amd64
    calls:
      136: {error: EPERM, support: partial, note: "no directories today"}
    sysctl:
      kern.maxproc: 99

A structure that others contain is changed by itself only: those keep the fields they have. Nothing can be taken away; a call
with `{support: none, note: …}` is as if it were not there.)md"};

constexpr KeySpec kSysctlRowKeys[] = {
    {.name = "oid", .required = true},
    {.name = "int"},
    {.name = "uint"},
    {.name = "long"},
    {.name = "ulong"},
    {.name = "s64"},
    {.name = "u64"},
    {.name = "string", .form = Form::any},
    {.name = "file"},
    {.name = "type", .form = Form::choice, .choices = kSysctlTypes},
    {.name = "provider", .form = Form::name},
    {.name = "format"},
    {.name = "argument", .form = Form::integer, .min = INT32_MIN, .max = INT32_MAX},
    {.name = "writable", .form = Form::boolean},
    {.name = "hidden", .form = Form::boolean},
    {.name = "about"},
};
constexpr MapSpec kSysctlRow{.title = "sysctl", .keys = kSysctlRowKeys};
constexpr KeySpec kSysctlKeys[] = {
    {.name = "sysctl", .form = Form::map, .shape = Shape::rows, .required = true, .map = &kSysctlRow}};
constexpr MapSpec kSysctl{.title = "table", .keys = kSysctlKeys};

constexpr RoleSpec kRoles[] = {
    {"int uint long ulong size ssize off hex pid tid uid gid dev", "a number, 32 bits wide where C says so"},
    {"mode", "permission bits (octal in traces)"},
    {"fd", "a file descriptor"},
    {"dirfd", "a descriptor or the guest's AT_FDCWD"},
    {"signal", "a signal number, translated"},
    {"path",
     "NUL-terminated string that names a file; looked up in the guest's file tree (`--sysroot`) before the "
     "call is carried out, relative "
     "to the `dirfd` right before it"},
    {"path_nofollow",
     "the same, where a symbolic link as last component is meant itself (unlink, rename…); flags of the "
     "sets `at_flags` and `open_flags` "
     "are heeded in any case"},
    {"cstr", "any other NUL-terminated string, or a path that the handler looks up itself"},
    {"strv", "NULL-terminated vector of strings"},
    {"ptr", "an address the call does not read or write through"},
    {"in_buf(N) out_buf(N) inout_buf(N)", "bytes counted by argument N"},
    {"in(S) out(S) inout(S)", "one structure S, or a scalar type (`i32`…)"},
    {"in(S,N) out(S,N) inout(S,N)",
     "an array counted by argument N; S must have the same layout natively. The ranges that the elements "
     "of an `in(iovec,N)` name are "
     "checked as well. `inout(S,N)`: the call also writes to them, or to where they point (`readv`)"},
    {"in_records(S,N) out_records(S,N)",
     "N bytes of records that begin with a struct S, say their own length in its field of role `length`, "
     "and are aligned as the size of "
     "S is"},
    {"bits(N)", "a set of N bits (`fd_set`), read and written"},
    {"mib(N)", "N numbers that name a node of the system's tree (`sysctl`)"},
    {"variant(V,N)", "a variant, decided by argument N"},
    {"in_sockaddr(N) out_sockaddr(N)", "socket address; N is the length, or the pointer to it"},
    {"a flag set's name", "translated by that set"},
};

}  // namespace

const KeySpec kTableFile{.name = "table", .form = Form::map, .map = &kTable};
const KeySpec kSysctlFile{.name = "table", .form = Form::map, .map = &kSysctl};

std::span<const RoleSpec> role_specs() noexcept { return kRoles; }

}  // namespace sudrun::abi
