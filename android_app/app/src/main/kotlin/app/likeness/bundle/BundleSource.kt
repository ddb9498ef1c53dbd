package app.likeness.bundle

import java.io.InputStream

/** The model as the app carries it. Functions block and throw IOException. */
interface BundleSource {
    /** Every file's path within the bundle, with `/`, and its size in bytes. */
    fun files(): Map<String, Long>

    fun open(path: String): InputStream
}
