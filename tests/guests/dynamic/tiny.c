// A shared object with a function, data, and a pointer to each.
int tiny_value = 40;
int tiny_add(int a, int b) { return a + b; }
int (*const tiny_function)(int, int) = tiny_add;
int* const tiny_pointer = &tiny_value;
