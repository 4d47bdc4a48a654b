// A call with everything chosen: any number, six register arguments and three on the stack, the carry flag before it;
// and the result registers and flags as they come back. ../bsd/common.c.
#pragma once

struct raw_call {
  unsigned long number, args[6], stack_args[3];
  unsigned long rax, rdx, flags;
  unsigned long carry_before;
};
long raw_call(struct raw_call* c);
