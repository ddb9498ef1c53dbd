package app.likeness.navigation

import app.likeness.storage.isId

/** A screen and what it shows. [text] brings it through the death of the process. */
sealed interface Route {
    val text: String

    data object Subjects : Route {
        override val text = "subjects"
    }

    data object Teach : Route {
        override val text = "teach"
    }

    data class Training(val subjectId: String) : Route {
        override val text = "training/$subjectId"
    }

    /** [subjectId]: whose words the prompt begins with; null: as it was. */
    data class Paint(val subjectId: String? = null) : Route {
        override val text = if (subjectId == null) "paint" else "paint/$subjectId"
    }

    data object Pictures : Route {
        override val text = "pictures"
    }

    data class PictureDetail(val pictureId: String) : Route {
        override val text = "picture/$pictureId"
    }

    companion object {
        /** The route of [text]; null for a text that is none, as an intent from another app could bring. */
        fun parse(text: String): Route? {
            val id = text.substringAfter('/', "")
            val ofId = if (isId(id)) listOf(Training(id), Paint(id), PictureDetail(id)) else emptyList()
            return (listOf(Subjects, Teach, Paint(), Pictures) + ofId).find { it.text == text }
        }
    }
}
