// HLSL on standard input, what DXC makes of it on standard output: `dxc LIBRARY PROFILE [OPTION ...]`, the entry point
// being `main`. With `-spirv` that is SPIR-V, without it DXIL, which the library's own validator has passed. For
// scripts/test-portability.sh, which takes library and headers from the source package of `compushady` on PyPI.
#include "WinAdapter.h"
#include "dxcapi.h"

#include <cstdio>
#include <dlfcn.h>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

static int fail(const char *what) {
    fprintf(stderr, "dxc: %s\n", what);
    return 1;
}

int main(int count, char **arguments) {
    if (count < 3) return fail("usage: dxc LIBRARY PROFILE [OPTION ...]");
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library) return fail(dlerror());
    auto create = (DxcCreateInstanceProc)dlsym(library, "DxcCreateInstance");
    IDxcCompiler3 *compiler = nullptr;
    if (!create || create(CLSID_DxcCompiler, __uuidof(IDxcCompiler3), (void **)&compiler) < 0)
        return fail("no compiler");

    std::string source(std::istreambuf_iterator<char>(std::cin), {});
    DxcBuffer buffer{source.data(), source.size(), DXC_CP_UTF8};
    // HLSL 2018, as wgpu asks for: later versions refuse naga's `?:` of vectors.
    std::vector<std::wstring> words{L"-E", L"main", L"-HV", L"2018", L"-T"};
    for (int at = 2; at < count; at++) words.emplace_back(arguments[at], arguments[at] + strlen(arguments[at]));
    std::vector<LPCWSTR> options;
    for (const auto &word : words) options.push_back(word.c_str());
    IDxcResult *result = nullptr;
    if (compiler->Compile(&buffer, options.data(), options.size(), nullptr, __uuidof(IDxcResult), (void **)&result) < 0)
        return fail("the compiler does not run");

    IDxcBlobUtf8 *errors = nullptr;
    result->GetOutput(DXC_OUT_ERRORS, __uuidof(IDxcBlobUtf8), (void **)&errors, nullptr);
    HRESULT status = -1;
    IDxcBlob *object = nullptr;
    if (result->GetStatus(&status) < 0 || status < 0) return fail(errors ? errors->GetStringPointer() : "refused");
    if (result->GetOutput(DXC_OUT_OBJECT, __uuidof(IDxcBlob), (void **)&object, nullptr) < 0) return fail("no result");
    fwrite(object->GetBufferPointer(), 1, object->GetBufferSize(), stdout);
    return fflush(stdout) ? fail("standard output is closed") : 0;
}
