// Lets foreign programs that a guest's *native* children execute come back to sudrun; exec_relay.c has the
// how.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "loader/identify.hpp"

namespace sudrun::runtime {

/// The environment of a dynamic Linux program that a guest executes: adds the preload of the relay and its
/// variable. Nothing changes if the relay is not installed, or its path cannot stand in LD_PRELOAD.
void add_exec_relay(std::vector<std::string>& environment, const std::vector<std::string>& options,
                    std::span<const loader::AbiSignature> known);

/// The reverse, for a guest: it sees neither the variable nor the preload.
void remove_exec_relay(std::vector<std::string>& environment);

}  // namespace sudrun::runtime
