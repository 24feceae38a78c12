#!/bin/sh
# make gpu-kit: gpu-kit.tar.gz in the build folder, for a machine with a GPU
# that has its driver, CUDA's toolkit, a C compiler and perhaps PyTorch, and
# nothing that loongc is built with.  There
#
#	tar xf gpu-kit.tar.gz && gpu-kit/check-gpu
#	gpu-kit/bench --python VENV/bin/python
#
# The arguments are the programs that test kernels; its C library has to be as
# new as this machine's.
set -eu
src=$(cd "${srcdir:-.}" && pwd)
kit=$(pwd)/gpu-kit
rm -rf "$kit" gpu-kit.tar.gz
mkdir -p "$kit/src"

${MAKE:-make} -s install DESTDIR="$kit/root" >/dev/null
prefix=$(find "$kit/root" -name loongc -type f -perm -u+x)
prefix=${prefix%/bin/loongc}
mv "$prefix/bin" "$prefix/lib" "$kit"
rm -rf "$kit/root"
jansson=$(${CC:-cc} -print-file-name=libjansson.a)
test ! -f "$jansson" || cp "$jansson" "$kit/lib/loongc"
for t in "$@"; do
	cp "$t" "$kit"
done
strip -S "$kit/bin/loongc" "$kit"/lib/loongc/*.a "$kit"/dev_*

cd "$src"
cp --parents tests/gpu/check-gpu.sh tests/train/cuda.lt tests/train/trace.awk \
	bench/gpu/* bench/mkdata bench/peers/step.py examples/llama3-8b.lt \
	$(find runtime -name '*.h') "$kit/src"
cd "$kit"
cat >check-gpu <<'END'
#!/bin/sh
cd "$(dirname "$0")" || exit 99
LIBRARY_PATH=$(pwd)/lib/loongc${LIBRARY_PATH:+:$LIBRARY_PATH}
export LIBRARY_PATH
srcdir=src LOONGC=$(pwd)/bin/loongc exec sh src/tests/gpu/check-gpu.sh
END
cat >bench <<'END'
#!/bin/sh
kit=$(cd "$(dirname "$0")" && pwd) || exit 99
LIBRARY_PATH=$kit/lib/loongc${LIBRARY_PATH:+:$LIBRARY_PATH}
export LIBRARY_PATH
exec python3 "$kit/src/bench/gpu/run" --loongc "$kit/bin/loongc" \
	--runtime "$kit/lib/loongc/libloong_rt.a" "$@"
END
chmod +x check-gpu bench
cd ..
tar czf gpu-kit.tar.gz gpu-kit
rm -rf gpu-kit
