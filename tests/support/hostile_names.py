"""Names in the input that try to be markup."""

COLUMN = '<img src=x onerror=alert(1)> "länge" & $x$'
TITLE = 'Ünïcode </script><script>alert(2)</script> "quoted" & <b>bold</b>'
