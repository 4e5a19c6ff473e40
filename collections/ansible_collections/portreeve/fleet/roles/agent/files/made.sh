# What the recorder of failures is made of, file by file: all of it, or what says that it was written by this role.
mark=$1 units=$2 ports=$3
find "$units" "$ports" -maxdepth 2 -type f \( -name portreeve-failed@.service -o -name portreeve-failed.conf \
  -o -path "$ports/*.ports" \) 2>/dev/null | sort | while IFS= read -r made; do
  [ -n "$mark" ] && ! grep -qF -- "$mark" "$made" || printf '%s\n' "$made"
done
