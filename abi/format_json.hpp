// One line of a trace as members of a JSON object. The same rules as in format.hpp: nothing is allocated or
// changed, and memory that cannot be read is shown as its address.
#pragma once

#include "abi/format.hpp"
#include "abi/json_writer.hpp"

namespace sudrun::abi {

/// `call`, `number` and `args`, an object with the table's names. Numbers are numbers, up to the 53 bits that
/// every reader of JSON keeps; strings and buffers are strings; all else is a string as traces show it.
/// `result`: null before the call, and for one that will be made again.
void json_call(JsonWriter& out, const TracedCall& call, const Result* result) noexcept;
/// `result`, `error` (a name, or null) and `errno`.
void json_result(JsonWriter& out, const TracedCall& call, const Result& result) noexcept;
/// `signal`, and `details` as format_signal() has them.
void json_signal(JsonWriter& out, const Table& table, const SignalInfo& info) noexcept;

}  // namespace sudrun::abi
