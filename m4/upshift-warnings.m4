dnl SPDX-License-Identifier: MIT
dnl Warnings, hardening and instrumentation; each flag is tried first.

AC_DEFUN([UPSHIFT_TRY_CFLAG],
[AC_MSG_CHECKING([whether $CC takes $1])
upshift_saved_cflags=$CFLAGS
CFLAGS="$CFLAGS -Werror $1"
AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
	[AC_MSG_RESULT([yes]); UPSHIFT_CFLAGS="$UPSHIFT_CFLAGS $1"],
	[AC_MSG_RESULT([no])])
CFLAGS=$upshift_saved_cflags])

AC_DEFUN([UPSHIFT_TRY_LDFLAG],
[AC_MSG_CHECKING([whether the linker takes $1])
upshift_saved_ldflags=$LDFLAGS
LDFLAGS="$LDFLAGS $1"
AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
	[AC_MSG_RESULT([yes]); UPSHIFT_LDFLAGS="$UPSHIFT_LDFLAGS $1"],
	[AC_MSG_RESULT([no])])
LDFLAGS=$upshift_saved_ldflags])

AC_DEFUN([UPSHIFT_WARNINGS],
[AC_ARG_ENABLE([werror],
	[AS_HELP_STRING([--enable-werror], [treat warnings as errors])],
	[], [enable_werror=no])
m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wstrict-prototypes
	-Wmissing-prototypes -Wold-style-definition -Wvla -Wwrite-strings
	-Wformat=2 -Wpointer-arith -Wundef],
	[UPSHIFT_TRY_CFLAG(flag)
])
dnl Names of ours stay ours: libconfig exports a strbuf_release() of its own,
dnl and would call ours (and crash) if the program exported it.
UPSHIFT_TRY_CFLAG([-fvisibility=hidden])
AS_IF([test "x$enable_werror" = xyes],
	[UPSHIFT_CFLAGS="$UPSHIFT_CFLAGS -Werror"])
AC_SUBST([UPSHIFT_CFLAGS])
AC_SUBST([UPSHIFT_LDFLAGS])])

AC_DEFUN([UPSHIFT_HARDENING],
[AC_ARG_ENABLE([hardening],
	[AS_HELP_STRING([--disable-hardening], [leave out hardening flags])],
	[], [enable_hardening=yes])
AS_IF([test "x$enable_hardening" = xyes],
	[UPSHIFT_TRY_CFLAG([-fstack-protector-strong])
	UPSHIFT_TRY_CFLAG([-fstack-clash-protection])
	UPSHIFT_TRY_CFLAG([-fcf-protection])
	UPSHIFT_TRY_CFLAG([-fPIE])
	UPSHIFT_TRY_LDFLAG([-pie])
	UPSHIFT_TRY_LDFLAG([-Wl,-z,relro])
	UPSHIFT_TRY_LDFLAG([-Wl,-z,now])
	AS_CASE([" $CFLAGS $CPPFLAGS "],
		[*" -O0 "*|*_FORTIFY_SOURCE*], [],
		[UPSHIFT_CFLAGS="$UPSHIFT_CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])])])

AC_DEFUN([UPSHIFT_SANITIZERS],
[AC_ARG_ENABLE([asan],
	[AS_HELP_STRING([--enable-asan], [build with AddressSanitizer])],
	[], [enable_asan=no])
AC_ARG_ENABLE([ubsan],
	[AS_HELP_STRING([--enable-ubsan],
		[build with UndefinedBehaviorSanitizer])],
	[], [enable_ubsan=no])
AC_ARG_ENABLE([coverage],
	[AS_HELP_STRING([--enable-coverage], [build for gcov])],
	[], [enable_coverage=no])
AS_IF([test "x$enable_asan" = xyes],
	[UPSHIFT_CFLAGS="$UPSHIFT_CFLAGS -fsanitize=address -fno-omit-frame-pointer"
	UPSHIFT_LDFLAGS="$UPSHIFT_LDFLAGS -fsanitize=address"])
AS_IF([test "x$enable_ubsan" = xyes],
	[UPSHIFT_CFLAGS="$UPSHIFT_CFLAGS -fsanitize=undefined -fno-sanitize-recover=undefined"
	UPSHIFT_LDFLAGS="$UPSHIFT_LDFLAGS -fsanitize=undefined"])
AS_IF([test "x$enable_coverage" = xyes],
	[UPSHIFT_CFLAGS="$UPSHIFT_CFLAGS --coverage"
	UPSHIFT_LDFLAGS="$UPSHIFT_LDFLAGS --coverage"])])
