package app.likeness.teach

import app.likeness.runtime.Picture

/** Photos that a person picked; references are content URIs. */
fun interface PhotoSource {
    /**
     * Upright, and no larger than training has use for. Blocks. Throws IOException, or what the format's reader does.
     */
    fun read(reference: String): Picture
}
