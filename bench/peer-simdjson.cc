// SPDX-License-Identifier: MIT
// peer-simdjson IN OUT: simdjson's minify, which changes nothing: the limit.
#include <cstdio>
#include <memory>
#include <simdjson.h>

int main(int argc, char **argv)
{
	simdjson::padded_string in;
	std::size_t n;

	if (argc < 3 || simdjson::padded_string::load(argv[1]).get(in))
		return 1;
	std::unique_ptr<char[]> out(new char[in.size()]);
	if (simdjson::minify(in.data(), in.size(), out.get(), n))
		return 1;
	std::FILE *f = std::fopen(argv[2], "w");
	std::fwrite(out.get(), 1, n, f);
	return std::fclose(f) != 0;
}
