# LOONG_MPI(NAME, VARIABLE, GIVEN): VARIABLE becomes the mpicc of that library,
# or empty; an error if one was asked for and does not compile MPI programs.
AC_DEFUN([LOONG_MPI], [
AC_MSG_CHECKING([for mpicc of $1])
$2=
AS_CASE([$3], [no], [], [''|yes], [$2=mpicc.$1], [$2=$3])
cat >conftest.c <<'EOF'
#include <mpi.h>
int main(void) { return MPI_Finalize(); }
EOF
AS_IF([test -n "$$2"],
  [AS_IF([$$2 -c conftest.c -o conftest.mpi.o >&AS_MESSAGE_LOG_FD 2>&1], [],
    [AS_IF([test -n "$3"], [AC_MSG_ERROR([$$2 does not compile MPI programs])])
     $2=])])
rm -f conftest.c conftest.mpi.o
AC_MSG_RESULT([${$2:-none}])
AC_SUBST([$2])
AM_CONDITIONAL([HAVE_]m4_toupper([$1]), [test -n "$$2"])
])
