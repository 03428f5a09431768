"""What readers assert of a folder, said as findings. Nothing that is checked is trusted.

`files` opens what is named, `media` decodes it, `lists` reads what names it; the rest is of readers that share a form.
"""
