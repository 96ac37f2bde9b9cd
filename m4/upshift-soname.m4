# SPDX-License-Identifier: MIT
# UPSHIFT_SONAME(VARIABLE, LIBRARY, LIBS, FUNCTION): the name that a program
# linked with LIBS looks for at its start ("libpq.so.5"), as a string in
# config.h, for libraries that are loaded when they are needed.
AC_DEFUN([UPSHIFT_SONAME], [
AC_REQUIRE([AC_PROG_SED])
AC_CHECK_TOOL([READELF], [readelf], [readelf])
AC_CACHE_CHECK([for the name that lib$2 is loaded by], [upshift_cv_soname_$2], [
	upshift_cv_soname_$2=
	upshift_libs=$LIBS
	LIBS="$3 $LIBS"
	AC_LINK_IFELSE([AC_LANG_CALL([], [$4])], [
		upshift_cv_soname_$2=`LC_ALL=C $READELF -d conftest$ac_exeext 2>/dev/null |
			$SED -n 's/.*(NEEDED).*library: .\(lib$2\.so.*\).$/\1/p'`
	])
	LIBS=$upshift_libs
])
AS_IF([test "x$upshift_cv_soname_$2" = x],
	[AC_MSG_ERROR([cannot tell by which name lib$2 is loaded])])
AC_DEFINE_UNQUOTED([$1], ["$upshift_cv_soname_$2"],
	[The name that lib$2 is loaded by.])
])
