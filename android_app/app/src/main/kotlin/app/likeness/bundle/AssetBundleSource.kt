package app.likeness.bundle

import android.content.res.AssetManager
import java.io.InputStream

/** The bundle in the app's assets, under [folder]; stored uncompressed, so that a file's size is known. */
class AssetBundleSource(private val assets: AssetManager, private val folder: String = "bundle") : BundleSource {
    override fun files(): Map<String, Long> = paths("").associateWith { path ->
        assets.openFd("$folder/$path").use { it.length }
    }

    override fun open(path: String): InputStream = assets.open("$folder/$path")

    /** An asset folder lists its entries; a file lists none. */
    private fun paths(under: String): List<String> {
        val entries = assets.list(if (under.isEmpty()) folder else "$folder/$under").orEmpty()
        if (entries.isEmpty()) return listOf(under).filter(String::isNotEmpty)
        return entries.flatMap { paths(if (under.isEmpty()) it else "$under/$it") }
    }
}
