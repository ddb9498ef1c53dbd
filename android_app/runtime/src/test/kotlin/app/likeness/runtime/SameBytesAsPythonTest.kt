package app.likeness.runtime

import org.junit.Test
import java.io.File
import java.security.MessageDigest
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** Kotlin's and Python's wrappers are twins: the shipped model learns and paints the same bytes through both. */
class SameBytesAsPythonTest : RuntimeTest() {
    @Test
    fun `the shipped model learns and paints the same bytes`() {
        val photos = List(3) { photo(seed = it.toLong(), width = 160 + 16 * it, height = 150) }
        World.open(World.defaultBundle).use { engine ->
            val training =
                engine.trainSettings(className = "dog", token = TOKEN).copy(steps = 20, views = 8, seed = SEED)
            val sampling =
                engine.sampleSettings("a photo of a $TOKEN dog in a bucket").copy(steps = 6, count = 2, seed = SEED)
            runPython(photos, training, sampling)

            val file = File(folder, "kotlin.safetensors")
            engine.createSession(training, journal = null).use { session ->
                photos.forEach(session::addPhoto)
                val events = session.finish()
                assertEquals(training.steps, (events.last() as TrainEvent.Progress).step)
                session.saveAdapter(file)
            }
            assertEquals(sha256(File(folder, "adapter.safetensors").readBytes()), sha256(file.readBytes()))

            engine.loadAdapter(file).use { adapter ->
                val pictures = engine.paint(sampling, adapter)
                assertEquals(2, pictures.size)
                assertTrue(pictures.all { it.width == engine.info.imageSize && it.height == engine.info.imageSize })
                assertEquals(
                    sha256(File(folder, "pictures.rgb").readBytes()),
                    sha256(pictures[0].rgb + pictures[1].rgb),
                )
                assertEquals(pythonsTokens(), TEXTS.map { engine.tokenize(it, adapter) })
            }
        }
    }

    private fun runPython(photos: List<Picture>, training: TrainSettings, sampling: SampleSettings) {
        val names =
            photos.mapIndexed { i, photo ->
                File(folder, "$i.rgb").writeBytes(photo.rgb)
                """{"file": "$i.rgb", "width": ${photo.width}, "height": ${photo.height}}"""
            }
        File(folder, "request.json").writeText(
            """
            {"photos": [${names.joinToString()}],
             "training": {"class_name": "${training.className}", "token": "${training.token}",
                          "steps": ${training.steps}, "views": ${training.views}, "seed": ${training.seed.toULong()}},
             "sampling": {"prompt": "${sampling.prompt}", "steps": ${sampling.steps}, "count": ${sampling.count},
                          "seed": ${sampling.seed.toULong()}},
             "texts": [${TEXTS.joinToString { "\"$it\"" }}]}
            """.trimIndent(),
        )
        val script = File(World.repository, "android_app/runtime/src/test/python/reference.py")
        val process =
            ProcessBuilder(".venv/bin/python", script.path, World.defaultBundle.path, folder.path)
                .directory(World.repository)
                .redirectErrorStream(true)
                .also { it.environment()["PYTHONPATH"] = World.repository.path }
                .start()
        val output = process.inputStream.bufferedReader().readText()
        assertEquals(0, process.waitFor(), output)
    }

    private fun pythonsTokens(): List<List<Long>> =
        (parseJson(File(folder, "tokens.json").readText()) as List<*>).map { ids ->
            (ids as List<*>).map { (it as Double).toLong() }
        }

    private fun sha256(bytes: ByteArray) =
        MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }

    private companion object {
        /** Above Long.MAX_VALUE where it is unsigned: all 64 bits must arrive. */
        const val SEED = -8_000_000_000_000_000_003L

        val TEXTS =
            listOf(
                "a photo of a $TOKEN dog",
                "Ünïcödé, 猫 и кот",
                "a \uD83D\uDC08 (U+1F408) and 𝒻𝒶𝓃𝒸𝓎 letters",
                "\uD83D\uDC68\u200D\uD83D\uDC69\u200D\uD83D\uDC67",
                "",
            )
    }
}
