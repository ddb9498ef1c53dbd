package app.likeness.fakes

import app.likeness.bundle.BundleSource
import java.io.IOException
import java.io.InputStream

/** A bundle of a few bytes. */
class FakeBundleSource(
    var content: Map<String, String> =
        mapOf("manifest.json" to "{1}", "methods/a.pte" to "aaaa", "tokenizer/vocab.json" to "bb"),
) : BundleSource {
    /** Opening this file fails, once. */
    var broken: String? = null

    val opened = mutableListOf<String>()

    override fun files(): Map<String, Long> = content.mapValues { it.value.length.toLong() }

    override fun open(path: String): InputStream {
        if (path == broken) {
            broken = null
            throw IOException("cannot read $path")
        }
        opened += path
        return content.getValue(path).byteInputStream()
    }
}
