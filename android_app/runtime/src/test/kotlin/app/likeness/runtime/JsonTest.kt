package app.likeness.runtime

import org.junit.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class JsonTest {
    @Test
    fun `every kind of value`() {
        val text = """ {"a": [1, -2.5e3, 0, true, false, null], "b": {"c": "d"}, "e": [], "f": {}} """
        val expected =
            mapOf(
                "a" to listOf(1.0, -2500.0, 0.0, true, false, null),
                "b" to mapOf("c" to "d"),
                "e" to emptyList<Any>(),
                "f" to emptyMap<String, Any>(),
            )
        assertEquals<Any?>(expected, parseJson(text))
    }

    @Test
    fun `every escape`() {
        assertEquals("\"\\/\b\u000C\n\r\t\u00e9\uD83D\uDC08ü", parseJson(""""\"\\\/\b\f\n\r\t\u00E9\ud83d\uDC08ü""""))
    }

    @Test
    fun `anything else is refused`() {
        val wrong =
            """{ } [1,] [,1] {"a"} {"a":} {"a":1,} {a:1} {"a":1}{ {"a":1,"a":1} "a"b" " "\x" "\u12" "\u12g4" 'a'""" +
                " 01 +1 1. .5 1e - 1-1 NaN Infinity tru nullx True \u00a01"
        val wrongWithSpaces = listOf("", " ", "[1 2]", "\"\n\"", "[".repeat(100) + "]".repeat(100), "[".repeat(100_000))
        for (text in wrong.split(' ') + wrongWithSpaces) {
            assertFailsWith<JsonException>(text.take(20)) { parseJson(text) }
        }
    }

    @Test
    fun `descriptions that are not as agreed are an error of this library`() {
        for (json in listOf("[]", "{}", "no", """{"model": {"name": 1}}""")) {
            val error = assertFailsWith<InternalException> { readEngineInfo(json) }
            assertTrue("description of the bundle" in error.message!!)
        }
        assertFailsWith<InternalException> {
            readAdapterInfo("""{"kind": "full", "modifier_tokens": [1], "class_name": "dog"}""")
        }
    }
}
