"""Values and errors -> text, embeds and attachments. The one place where words for members are made. No I/O."""
