# LOONG_APPEND_LINK_FLAGS(FLAGS, VARIABLE)
# Appends each of FLAGS that the linker accepts to the shell variable.
AC_DEFUN([LOONG_APPEND_LINK_FLAGS],
[for loong_flag in $1; do
  AC_MSG_CHECKING([whether the linker accepts $loong_flag])
  loong_save=$LDFLAGS
  LDFLAGS="$LDFLAGS $loong_flag"
  AC_LINK_IFELSE([AC_LANG_PROGRAM],
    [AC_MSG_RESULT([yes])
     $2="$$2 $loong_flag"],
    [AC_MSG_RESULT([no])])
  LDFLAGS=$loong_save
done])
