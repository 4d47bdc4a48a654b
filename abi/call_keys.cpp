// What rows of calls may hold. Part of the description of table files.
#include <iterator>

#include "abi/call_class.hpp"
#include "abi/table_keys.hpp"

namespace sudrun::abi {

namespace {

// The order is that of the enumerations the reader casts to.
constexpr std::string_view kSupport[] = {"none", "partial", "full"};
constexpr std::string_view kInterrupt[] = {"restart", "fail"};

constexpr KeySpec kFutexWord{
    .name = "word", .form = Form::name, .required = true, .about = "the first argument, the word's address"};
constexpr KeySpec kFutexFault{
    .name = "fault", .form = Form::name, .about = "error of a word that cannot be read; without it EFAULT"};

constexpr KeySpec kFutexOperationKeys[] = {
    kFutexWord,
    {.name = "by", .form = Form::name, .required = true, .about = "the second, which says what to do"},
    {.name = "value",
     .form = Form::name,
     .required = true,
     .about = "the third: what the word must hold for a sleep, and how many to wake"},
    {.name = "wait",
     .form = Form::name,
     .shape = Shape::list,
     .required = true,
     .about = "values of `by`'s flag set, all below 32, that sleep"},
    {.name = "wake", .form = Form::name, .shape = Shape::list, .required = true, .about = "those that wake"},
};
constexpr MapSpec kFutexOperations{.title = "calls: futex by operations",
                                   .keys = kFutexOperationKeys,
                                   .about = R"md(A call that does many things:

    454: {name: _umtx_op, args: {obj: …, op: umtx_op, val: ulong, …}, handler: _umtx_op,
          futex: {word: obj, by: op, value: val, wait: [UMTX_OP_WAIT_UINT], wake: [UMTX_OP_WAKE]}, …}

Only calls with zeros in the two arguments behind those are meant (no time limit), as are sleeps with a value of 32 bits and wakes of
at least one sleeper; all others go to the handler. A sleep returns 0 also if the word holds something else; a wake returns 0.)md"};

constexpr KeySpec kFutexWakeKeys[] = {
    kFutexWord,
    {.name = "count",
     .form = Form::name,
     .required = true,
     .about = "the second: 1 wakes one sleeper, all else all"},
    kFutexFault,
};
constexpr MapSpec kFutexWake{.title = "calls: futex that wakes",
                             .keys = kFutexWakeKeys,
                             .about = R"md(A call that does nothing but wake. It returns 0.

    470: {name: umtx_wakeup, args: {ptr: …, count: int}, handler: umtx_wakeup, futex: {word: ptr, count: count, fault: EINVAL}, …})md"};

constexpr KeySpec kFutexSleepKeys[] = {
    kFutexWord,
    {.name = "value",
     .form = Form::name,
     .required = true,
     .about = "the second: what the word must hold for a sleep"},
    {.name = "limit",
     .form = Form::name,
     .required = true,
     .about = "the third, the time limit; only calls with 0 there are meant"},
    {.name = "longest",
     .form = Form::integer,
     .required = true,
     .min = 1,
     .max = 1'000'000'000,
     .about = "microseconds after which every sleep ends"},
    {.name = "differs",
     .form = Form::name,
     .about = "error of a sleep whose word holds something else; without it success"},
    {.name = "late",
     .form = Form::name,
     .about = "error of a sleep whose time is over; without it that of ETIMEDOUT"},
    kFutexFault,
};
constexpr MapSpec kFutexSleep{.title = "calls: futex that sleeps",
                              .keys = kFutexSleepKeys,
                              .about = R"md(A call that does nothing but sleep.

    469: {name: umtx_sleep, args: {ptr: …, value: int, timeout: int}, handler: umtx_sleep,
          futex: {word: ptr, value: value, limit: timeout, longest: 2000000, differs: EBUSY, late: EAGAIN, fault: EINVAL}, …})md"};

// The order is that of FutexModel::Kind.
constexpr MapKind kFutexKinds[] = {
    {.mark = "by", .map = &kFutexOperations},
    {.mark = "count", .map = &kFutexWake},
    {.map = &kFutexSleep},
};
constexpr MapSpec kFutex{.title = "calls: futex",
                         .about = R"md(What of a row with a handler is nothing but
a sleep on a word of 32 bits or a wake of its sleepers. Rewritten call sites then make these without the handler; a sleep that a
signal has interrupted goes on to it. The handler must use the same futexes: Linux's shared kind, FUTEX_WAIT and FUTEX_WAKE or
their forms for all bits. There are three kinds.)md",
                         .kinds = kFutexKinds};

constexpr KeySpec kCallKeys[] = {
    {.name = "name", .form = Form::name, .required = true, .about = "the call's name; no two have the same"},
    {.name = "args",
     .form = Form::role,
     .shape = Shape::rows,
     .row_key = RowKey::name,
     .about = "name to role, in the guest's order, at most 8"},
    {.name = "returns",
     .form = Form::role,
     .about = "a scalar role or a variant; without it `int`. `none` for calls that do not return"},
    {.name = "native",
     .form = Form::name,
     .about = "the Linux call that does the same with translated arguments, at most 6"},
    {.name = "native_args",
     .form = Form::constant,
     .shape = Shape::list,
     .about = "with `native`: its arguments, where they are not the guest's in their order: names and "
              "integer constants"},
    {.name = "handler", .form = Form::name, .about = "the function of the personality that does it"},
    {.name = "error", .form = Form::name, .about = "always fails with this error of the table"},
    {.name = "interrupt",
     .form = Form::choice,
     .choices = kInterrupt,
     .about = "`fail`: a signal makes it fail with EINTR even under SA_RESTART; without it `restart`"},
    {.name = "futex", .form = Form::map, .map = &kFutex, .about = "with `handler`: what of it needs none"},
    {.name = "support",
     .form = Form::choice,
     .required = true,
     .choices = kSupport,
     .about = "how much of it is there"},
    {.name = "note", .about = "what is missing, for users; required below `full`"},
};

constexpr KeySpec class_key(CallClass one, std::string_view about) {
  return {.name = kCallClassNames[static_cast<std::size_t>(one)],
          .form = Form::name,
          .shape = Shape::list,
          .about = about};
}
constexpr KeySpec kClassKeys[] = {
    class_key(CallClass::file, "files by name; calls with a `path` are among them without being listed"),
    class_key(
        CallClass::descriptor,
        "descriptors; calls that take or return an `fd` or `dirfd` are among them without being listed"),
    class_key(CallClass::network, "sockets, and what the machine is called"),
    class_key(CallClass::process, "processes: making, ending, limits, scheduling"),
    class_key(CallClass::thread, "threads, and what they wait for"),
    class_key(CallClass::signal, "signals"),
    class_key(CallClass::memory, "the address space"),
    class_key(CallClass::time, "clocks and timers"),
    class_key(CallClass::ipc, "messages, semaphores and memory that processes share"),
    class_key(CallClass::credentials, "users and groups"),
};
static_assert(std::size(kClassKeys) == kCallClassNames.size());

}  // namespace

const MapSpec kCallRow{.title = "calls",
                       .keys = kCallKeys,
                       .about = R"md(One call. A row has exactly one of `native`, `handler` and
`error`, or none of them and `support: none`.

    calls:
      3: {name: read, args: {fd: fd, buf: out_buf(nbyte), nbyte: size}, returns: size, native: read, support: full}
      92: {name: fcntl, args: {fd: fd, cmd: fcntl_cmd, arg: long}, handler: fcntl, support: partial, note: "..."}
      11: {name: execv, support: none, note: "obsolete since ..."}

In a file that extends another, a row of a number that is there already changes only what it says:

    136: {error: EPERM}

In a flow mapping, quote a role that has a `,` or a `?` in it: `{fds: "inout(pollfd)?", n: uint}`.)md"};

const MapSpec kCallClasses{
    .title = "classes",
    .keys = kClassKeys,
    .about =
        R"md(Calls that `--trace` and `--inject` name together: lists of names of calls. A call may be of several classes.

    classes:
      network: [socket, connect, listen]
      process: [fork, execve]

In a file that extends another the lists add to those that are there.)md"};

}  // namespace sudrun::abi
