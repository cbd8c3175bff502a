# llama.cpp without what its Python bindings do not call.
set(LLAMA_BUILD_COMMON OFF)
