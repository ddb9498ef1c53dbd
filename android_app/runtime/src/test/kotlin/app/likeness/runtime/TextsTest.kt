package app.likeness.runtime

import org.junit.Test
import java.io.File
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotEquals
import kotlin.test.assertTrue

/** Texts cross whole: beyond the BMP, and never with a zero in them. That Python reads the same is tested elsewhere. */
class TextsTest : RuntimeTest() {
    private val engine = World.engine

    @Test
    fun `the core reads UTF-8 and not Java's modification of it`() {
        assertContentEquals(byteArrayOf(-16, -97, -112, -120, 0), CAT.toCore())
        assertContentEquals(byteArrayOf(0), "".toCore())
        assertContentEquals("a?b\u0000".encodeToByteArray(), "a\uD83Db".toCore())
    }

    @Test
    fun `a zero character is refused wherever it stands`() {
        val calls =
            listOf<() -> Any?>(
                { engine.paint(engine.quickSampling("a\u0000b")) },
                { engine.paint(engine.quickSampling().copy(negativePrompt = "\u0000")) },
                { engine.paint(engine.quickSampling().copy(sampler = "ddim\u0000")) },
                { engine.tokenize("a\u0000") },
                { engine.createSession(engine.quickSettings().copy(className = "dog\u0000"), null) },
                { engine.createSession(engine.quickSettings(), File(folder, "a\u0000b")) },
                { engine.resumeSession(File("a\u0000b")) },
                { engine.loadAdapter(File("a\u0000b")) },
                { Engine.open(File("a\u0000b")) },
            )
        for (call in calls) {
            val error = assertFailsWith<InvalidArgumentException> { call() }
            assertEquals("a text contains a zero character; remove it", error.message)
        }
    }

    @Test
    fun `tokens, classes and file names beyond the BMP come back as they went`() {
        val settings = engine.quickSettings().copy(token = "<$CAT>", className = "Kä $CAT", steps = 1)
        val folder = File(folder, "Fotos $CAT").also { it.mkdir() }
        val file = engine.learn(File(folder, "$CAT.safetensors"), settings)
        assertTrue(file.length() > 0)
        engine.loadAdapter(file).use { adapter ->
            assertEquals(listOf("<$CAT>"), adapter.info.tokens)
            assertEquals("Kä $CAT", adapter.info.className)
            assertEquals(1, engine.tokenize("<$CAT>", adapter).size)
            assertEquals(engine.tokenize("a <$CAT> dog", adapter).size, engine.tokenize("a dog").size + 1)
        }
        val error = assertFailsWith<StorageException> { engine.loadAdapter(File(folder, "no $CAT")) }
        assertTrue("no $CAT" in error.message!!)
    }

    @Test
    fun `characters beyond the BMP are their own`() {
        assertNotEquals(engine.tokenize(CAT), engine.tokenize("\uD83D\uDC15"))
        assertEquals(engine.tokenize("?"), engine.tokenize("\uD83D"))
        assertEquals(emptyList(), engine.tokenize(""))
    }

    private companion object {
        const val CAT = "\uD83D\uDC08"
    }
}
