package app.likeness.runtime

import java.io.File

// Texts cross into the core as the bytes of UTF-8 with a zero at the end, and come back as UTF-8: JNI's own texts are
// another encoding ("modified UTF-8"), which tears characters beyond U+FFFF apart.

/** As the core reads it; halves of surrogate pairs become "?". */
internal fun String.toCore(): ByteArray {
    if ('\u0000' in this) throw InvalidArgumentException("a text contains a zero character; remove it")
    return (this + '\u0000').encodeToByteArray()
}

internal fun File.toCore(): ByteArray = path.toCore()
