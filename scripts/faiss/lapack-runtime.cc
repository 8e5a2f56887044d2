// The two routines of the Fortran runtime that LAPACK calls, so that the addon can contain LAPACK without libgfortran.
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

#define INTERNAL extern "C" __attribute__((visibility("hidden")))

// LAPACK and BLAS report an invalid argument here. LAPACK's documentation allows other versions than the one that prints and stops.
INTERNAL void xerbla_(const char* routine, const int* argument, std::size_t routine_length) {
  throw std::invalid_argument(
      "LAPACK: argument " + std::to_string(*argument) + " of " + std::string(routine, routine_length) + " is invalid");
}

// Fortran's operator "//": both strings, padded with blanks or cut at the target's length.
INTERNAL void _gfortran_concat_string(
    std::size_t target_length, char* target, std::size_t left_length, const char* left, std::size_t right_length,
    const char* right) {
  const std::string joined = std::string(left, left_length) + std::string(right, right_length);
  const std::size_t copied = joined.size() < target_length ? joined.size() : target_length;
  std::memcpy(target, joined.data(), copied);
  std::memset(target + copied, ' ', target_length - copied);
}
